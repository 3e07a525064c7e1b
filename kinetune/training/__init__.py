"""How the model learns: prepare, dataset, one loop, one thin file a trainer."""
