"""`semlink explore`: a trained link that runs in a browser, as one static folder."""
