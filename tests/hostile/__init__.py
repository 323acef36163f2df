"""Files that are meant to do harm, made by a script, and the process that tries them."""
