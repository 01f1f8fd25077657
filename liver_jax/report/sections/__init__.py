"""The sections of the page that are words and tables, one in each file; `page` orders them."""
