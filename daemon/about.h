/*
 * DATA_DIR/APP/about.json: what the stores of a data folder cannot say themselves (app, instance, topics, features), so
 * that `segmentd state` needs no configuration.
 */
#ifndef SEG_DAEMON_ABOUT_H
#define SEG_DAEMON_ABOUT_H

#include "config/config.h"
#include "segmenter/basis.h"

struct seg_about {
	char app[256], instance[256];
	char topics[SEG_SOURCES][256];
	struct seg_feature_config features[SEG_MAX_FEATURES];
	uint32_t features_len;
};

/* Makes DATA_DIR/APP and what is above it. SEG_IO. */
enum seg_rc seg_about_make_folder(const struct seg_config *config, struct seg_error *err) SEG_MUST_CHECK;

/* Makes the folders that are missing and replaces the file atomically. SEG_IO. */
enum seg_rc seg_about_write(const struct seg_config *config, struct seg_error *err) SEG_MUST_CHECK;

/* From the folder DATA_DIR/APP. SEG_NOT_FOUND: no such file; SEG_CORRUPT: not one of ours. */
enum seg_rc seg_about_read(const char *folder, struct seg_about *ret, struct seg_error *err) SEG_MUST_CHECK;

#endif
