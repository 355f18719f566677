[(block) (model) (list)] @fold
