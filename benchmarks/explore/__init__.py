"""`semlink explore`: write a static folder with a page that runs a trained link in a browser."""
