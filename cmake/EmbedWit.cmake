# Writes OUT: the FILES (relative to FOLDER) as the array of wit_files.h.
set(entries "")
set(count 0)
foreach(file ${FILES})
  file(READ "${FOLDER}/${file}" text)
  string(LENGTH "${text}" len)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n     \"" text "${text}")
  string(APPEND entries "    {\"${file}\",\n     \"${text}\",\n     ${len}},\n")
  math(EXPR count "${count} + 1")
endforeach()
file(WRITE "${OUT}" "/* Generated from wit/ by cmake/EmbedWit.cmake. */
#pragma GCC diagnostic ignored \"-Woverlength-strings\"
#include \"cli/wit_files.h\"

const struct sl_wit_file sl_wit_files[] = {
${entries}};

const size_t sl_wit_file_count = ${count};
")
