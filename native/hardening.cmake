# Flags that make memory errors end the process rather than be of use to somebody, each where compiler
# and linker have it. What they cost is in docs/decisions/0024-hardening.md.
include(CheckCXXCompilerFlag)
include(CheckCXXSourceCompiles)

function(smalti_harden name)
  string(REPLACE ";" " " CMAKE_REQUIRED_FLAGS "-Werror ${ARGN}")
  check_cxx_compiler_flag("" ${name})
  if(${name})
    add_compile_options(${ARGN})
  endif()
endfunction()

function(smalti_harden_link name)
  set(CMAKE_REQUIRED_LINK_OPTIONS ${ARGN})
  check_cxx_source_compiles("int main() {}" ${name})
  if(${name})
    add_link_options(${ARGN})
  endif()
endfunction()

if(NOT MSVC)
  # libstdc++ checks indices of vectors; not in kernels, which would lose a sixth of their speed, and
  # are fuzzed beside oracles with everything checked.
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  set(smalti_unchecked -U_GLIBCXX_ASSERTIONS)
  smalti_harden(SMALTI_HAS_STACK_PROTECTOR -fstack-protector-strong)
  smalti_harden(SMALTI_HAS_CLASH_PROTECTION -fstack-clash-protection)
  smalti_harden(SMALTI_HAS_CF_PROTECTION -fcf-protection)
  # Compilers that know no level 3 take it for 2; unoptimized builds cannot have any.
  add_compile_options($<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
                      $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
  smalti_harden_link(SMALTI_HAS_RELRO -Wl,-z,relro)
  smalti_harden_link(SMALTI_HAS_NOW -Wl,-z,now)
  smalti_harden_link(SMALTI_HAS_NOEXECSTACK -Wl,-z,noexecstack)
endif()
