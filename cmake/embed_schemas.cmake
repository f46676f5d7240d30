# Writes OUT, a C file with the texts of DIR/*.avsc (see base/schemas.h): cmake -DDIR=… -DOUT=… -P embed_schemas.cmake
file(GLOB files "${DIR}/*.avsc")
list(SORT files)
set(arrays "")
set(rows "")
foreach(file IN LISTS files)
	get_filename_component(name "${file}" NAME_WE)
	file(READ "${file}" hex HEX)
	string(REGEX REPLACE "(................................................)" "\\1\n" hex "${hex}")
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
	string(APPEND arrays "static const unsigned char text_${name}[] = {\n${hex}0x00};\n\n")
	string(APPEND rows "\t{\"${name}\", (const char *)text_${name}},\n")
endforeach()
file(WRITE "${OUT}" "/* Made by cmake/embed_schemas.cmake from config/schemas. */
#include \"base/schemas.h\"

#include <string.h>

${arrays}static const struct {
	const char *name, *text;
} schemas[] = {
${rows}};

const char *seg_schema_at(size_t i, const char **ret_text)
{
	if (i >= sizeof(schemas) / sizeof(schemas[0]))
		return NULL;
	if (ret_text)
		*ret_text = schemas[i].text;
	return schemas[i].name;
}

const char *seg_schema_text(const char *name)
{
	for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++) {
		if (strcmp(schemas[i].name, name) == 0)
			return schemas[i].text;
	}
	return NULL;
}
")
