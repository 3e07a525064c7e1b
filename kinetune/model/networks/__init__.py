"""Networks of the models; the older ones are modules beside this folder."""
