"""The web app: a page on this computer to see, choose and take a palette image.

    command  the flags of `smalti web`
    server   the socket, the token, the browser, and an orderly end
    guard    what is refused before a request is looked at
    app      which address answers what
    images   what was opened: files as they came, pixels as long as there is room
    previews what the page draws while the slider moves
    wishes   the settings a page may send, checked
    jobs     files in the making: few at a time, and each can be stopped
    worker   the process that makes one
    lines    the same settings as a command line and as Python
    batches  many files, and the archive of their results

A thin face over the public library. It writes nothing to disk, takes names from pages for
display only, and talks to this computer alone unless told otherwise.
"""
