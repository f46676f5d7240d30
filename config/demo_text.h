/* config/demo.yaml, compiled in: the configuration of `segmentd demo`. */
#ifndef SEG_CONFIG_DEMO_TEXT_H
#define SEG_CONFIG_DEMO_TEXT_H

/* Static, NUL-terminated. For seg_config_load_text(). */
extern const char seg_config_demo_text[];

#endif
