"""The local review page: a person settles label conflicts in a browser.

`guard` says who may talk to the server, `app` answers, `queue` orders the cards, `form` makes decisions of what was
typed, `pages` holds the templates, `serve` runs it all on 127.0.0.1.
"""
