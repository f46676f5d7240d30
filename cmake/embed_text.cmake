# Writes OUT, a C file that defines NAME (declared in HEADER) as the text of FILE:
# cmake -DFILE=… -DNAME=… -DHEADER=… -DOUT=… -P embed_text.cmake
file(READ "${FILE}" hex HEX)
string(REGEX REPLACE "(................................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
file(WRITE "${OUT}" "/* Made by cmake/embed_text.cmake. */
#include \"${HEADER}\"

const char ${NAME}[] = {
${hex}0x00};
")
