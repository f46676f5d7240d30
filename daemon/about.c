#include "daemon/about.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/fold.h"

enum { PATH_BYTES = 4096 };

static enum seg_rc make_folders(char *path, struct seg_error *err)
{
	for (char *at = path + 1;; at++) {
		if (*at != '/' && *at != '\0')
			continue;
		char kept = *at;
		*at = '\0';
		int failed = mkdir(path, 0777) && errno != EEXIST;
		if (failed)
			return seg_error_set(err, SEG_IO, "data_dir: the folder %s cannot be made: %s", path,
					     strerror(errno));
		*at = kept;
		if (kept == '\0')
			return SEG_OK;
	}
}

static json_t *features_json(const struct seg_learner_config *l)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < l->features_len; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "name", l->features[i].name, "transform",
						      seg_transform_name(l->features[i].transform)));
	return list;
}

static enum seg_rc write_json(json_t *o, const char *folder, struct seg_error *err)
{
	char path[PATH_BYTES + 32], fresh[PATH_BYTES + 32];
	snprintf(path, sizeof(path), "%s/about.json", folder);
	snprintf(fresh, sizeof(fresh), "%s/about.json.%d", folder, (int)getpid());
	if (!o)
		return seg_error_set(err, SEG_NO_MEMORY, "%s: out of memory", path);
	if (json_dump_file(o, fresh, JSON_INDENT(1)) || rename(fresh, path)) {
		unlink(fresh);
		return seg_error_set(err, SEG_IO, "%s cannot be written: is data_dir writable, and is there space?",
				     path);
	}
	return SEG_OK;
}

enum seg_rc seg_about_make_folder(const struct seg_config *config, struct seg_error *err)
{
	char folder[PATH_BYTES];
	if (!seg_config_store_path(config, -1, folder, sizeof(folder)))
		return seg_error_set(err, SEG_INVALID, "data_dir: the path is too long");
	return make_folders(folder, err);
}

enum seg_rc seg_about_write(const struct seg_config *config, struct seg_error *err)
{
	char folder[PATH_BYTES];
	if (!seg_config_store_path(config, -1, folder, sizeof(folder)))
		return seg_error_set(err, SEG_INVALID, "data_dir: the path is too long");
	enum seg_rc rc = make_folders(folder, err);
	if (rc)
		return rc;
	struct seg_learner_config *l = malloc(sizeof(*l));
	if (!l)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	rc = seg_learner_config_from(config, l, err);
	if (!rc) {
		json_t *topics = json_object();
		for (int s = 0; s < SEG_SOURCES; s++)
			json_object_set_new(topics, seg_source_names[s], json_string(config->sources[s].topic));
		json_t *o = json_pack("{s:s, s:s, s:o, s:o}", "app", config->app, "instance", config->instance,
				      "topics", topics, "features", features_json(l));
		rc = write_json(o, folder, err);
		json_decref(o);
	}
	free(l);
	return rc;
}

static bool copy_text(const json_t *o, const char *key, char *to, size_t size)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text && snprintf(to, size, "%s", text) < (int)size;
}

static bool read_features(const json_t *list, struct seg_about *ret)
{
	size_t i;
	json_t *item;
	if (!json_is_array(list) || json_array_size(list) > SEG_MAX_FEATURES)
		return false;
	json_array_foreach(list, i, item)
	{
		struct seg_feature_config *f = &ret->features[i];
		char transform[32];
		if (!copy_text(item, "name", f->name, sizeof(f->name)) ||
		    !copy_text(item, "transform", transform, sizeof(transform)))
			return false;
		int found = seg_transform_find(transform);
		if (found < 0)
			return false;
		f->transform = (enum seg_transform)found;
		f->weight = 1;
	}
	ret->features_len = (uint32_t)json_array_size(list);
	return true;
}

enum seg_rc seg_about_read(const char *folder, struct seg_about *ret, struct seg_error *err)
{
	char path[PATH_BYTES + 32];
	json_error_t where;
	snprintf(path, sizeof(path), "%s/about.json", folder);
	if (access(path, F_OK))
		return seg_error_set(err, SEG_NOT_FOUND, "%s: there is no such file", path);
	json_t *o = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
	memset(ret, 0, sizeof(*ret));
	bool good = o && copy_text(o, "app", ret->app, sizeof(ret->app)) &&
		    copy_text(o, "instance", ret->instance, sizeof(ret->instance)) &&
		    read_features(json_object_get(o, "features"), ret);
	for (int s = 0; good && s < SEG_SOURCES; s++)
		good = copy_text(json_object_get(o, "topics"), seg_source_names[s], ret->topics[s],
				 sizeof(ret->topics[s]));
	json_decref(o);
	return good ? SEG_OK : seg_error_set(err, SEG_CORRUPT, "%s: not a file of ours", path);
}
