# Installs what the program tells of itself: manual pages, completions, notices.
# SLIGHT_PROGRAM is the program, SLIGHT_PAGES a folder to write into.

file(REMOVE_RECURSE "${SLIGHT_PAGES}")
file(MAKE_DIRECTORY "${SLIGHT_PAGES}")

# write_page(FILE ARGS...): what the program prints.
function(write_page file)
  execute_process(COMMAND "${SLIGHT_PROGRAM}" ${ARGN}
    OUTPUT_FILE "${SLIGHT_PAGES}/${file}" COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# install_pages(FOLDER FILES...): below the prefix.
function(install_pages folder)
  list(TRANSFORM ARGN PREPEND "${SLIGHT_PAGES}/")
  file(INSTALL ${ARGN} DESTINATION "${CMAKE_INSTALL_PREFIX}/share/${folder}")
endfunction()

execute_process(COMMAND "${SLIGHT_PROGRAM}" help --man-pages "${SLIGHT_PAGES}"
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(GLOB commands RELATIVE "${SLIGHT_PAGES}" "${SLIGHT_PAGES}/*.1")
install_pages(man/man1 ${commands})
install_pages(man/man5 slightfile.toml.5)

write_page(slight completion bash)
write_page(_slight completion zsh)
write_page(slight.fish completion fish)
install_pages(bash-completion/completions slight)
install_pages(zsh/site-functions _slight)
install_pages(fish/vendor_completions.d slight.fish)

write_page(third-party-notices.txt version --licenses)
install_pages(doc/slight third-party-notices.txt)
