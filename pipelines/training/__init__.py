"""How are the models made? Recipes, crops, training, curves, and the export into the forms that run."""
