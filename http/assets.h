/* The files of dashboard/ and the description of the API, compiled in (cmake/embed_text.cmake). */
#ifndef SEG_HTTP_ASSETS_H
#define SEG_HTTP_ASSETS_H

extern const char seg_asset_html[];
extern const char seg_asset_css[];
extern const char seg_asset_js[];
extern const char seg_asset_icon[];
extern const char seg_asset_openapi[];

#endif
