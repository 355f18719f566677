[(block) (model) (list) (tuple) (call) (index)] @indent.begin
["}" "]" ")"] @indent.branch
