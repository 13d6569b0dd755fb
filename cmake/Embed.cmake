# gw_embed(TARGET SYMBOL FILE): puts the bytes of FILE into TARGET as `std::string_view SYMBOL()`, SYMBOL being a qualified name
# (gw::provider::o200k_ranks). A header beside the code declares the function. The assembler reads the file itself, so size costs no
# compile time, and ccache leaves such a source alone; a changed FILE compiles anew.
function(gw_embed TARGET SYMBOL FILE)
  get_filename_component(PATH ${FILE} ABSOLUTE)
  if(NOT EXISTS ${PATH})
    message(FATAL_ERROR "gw_embed: ${PATH} does not exist")
  endif()
  string(REGEX MATCH "^(.*)::([^:]+)$" MATCHED ${SYMBOL})
  if(NOT MATCHED)
    message(FATAL_ERROR "gw_embed: ${SYMBOL} is not namespace::name")
  endif()
  set(NAMESPACE ${CMAKE_MATCH_1})
  set(NAME ${CMAKE_MATCH_2})
  string(REPLACE "::" "_" LABEL ${SYMBOL})
  set(LABEL embedded_${LABEL})
  set(OUT ${CMAKE_CURRENT_BINARY_DIR}/embed/${LABEL}.cpp)
  file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT [[// Made by cmake/Embed.cmake.
#include <string_view>

__asm__(
    ".pushsection .rodata\n"
    ".balign 16\n"
    ".local @LABEL@_begin\n"
    ".local @LABEL@_end\n"
    "@LABEL@_begin:\n"
    ".incbin \"@PATH@\"\n"
    "@LABEL@_end:\n"
    ".byte 0\n"
    ".popsection\n");
extern "C" {
extern const char @LABEL@_begin[] __attribute__((visibility("hidden")));
extern const char @LABEL@_end[] __attribute__((visibility("hidden")));
}

namespace @NAMESPACE@ {
std::string_view @NAME@();
std::string_view @NAME@() { return {@LABEL@_begin, static_cast<std::size_t>(@LABEL@_end - @LABEL@_begin)}; }
}  // namespace @NAMESPACE@
]])
  set_source_files_properties(${OUT} PROPERTIES OBJECT_DEPENDS ${PATH} GENERATED ON)
  target_sources(${TARGET} PRIVATE ${OUT})
endfunction()
