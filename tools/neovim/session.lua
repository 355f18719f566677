-- `tern lsp` as Neovim's own client meets it, with real buffers:
--
--     nvim --clean --headless -l tools/neovim/session.lua target/release/tern
--
-- Neovim 0.11 or newer. It opens programs of this repository and a faulty one, asks what a person at the keyboard would, and says what it saw.
-- The first thing that is not as it should be ends it with exit code 1.

local tern = vim.fn.fnamemodify(_G.arg[1] or "tern", ":p")
if vim.fn.executable(tern) == 0 then tern = _G.arg[1] or "tern" end
local here = vim.fn.fnamemodify(debug.getinfo(1, "S").source:sub(2), ":p:h")
local root = vim.fn.fnamemodify(here, ":h:h")
local PATIENCE = 60000 -- milliseconds, on a busy machine

local function fail(text)
  io.stderr:write("not ok: " .. text .. "\n")
  os.exit(1)
end

local function check(holds, text, found)
  if not holds then fail(text .. "\nfound: " .. vim.inspect(found)) end
  io.write("ok: " .. text .. "\n")
end

local function wait(text, condition)
  if not vim.wait(PATIENCE, condition, 20) then fail(text .. ": nothing came") end
end

-- as docs/editors.md says
vim.filetype.add({ extension = { mpc = "tern" } })
vim.lsp.config.tern = { cmd = { tern, "lsp" }, filetypes = { "tern" } }
vim.cmd("filetype on")
vim.lsp.enable("tern")
vim.lsp.inlay_hint.enable()

local directory = vim.fn.tempname()
vim.fn.mkdir(directory, "p")

-- Opens a file and waits until the server has it.
local function open(path)
  vim.cmd.edit(vim.fn.fnameescape(path))
  local buffer = vim.api.nvim_get_current_buf()
  wait("the server for " .. path, function()
    local clients = vim.lsp.get_clients({ bufnr = buffer, name = "tern" })
    return clients[1] ~= nil and clients[1].initialized
  end)
  return buffer
end

local function written(name, lines)
  local path = directory .. "/" .. name
  vim.fn.writefile(lines, path)
  return open(path)
end

local function lines(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")
end

-- Puts the cursor on the n-th occurrence of a text.
local function cursor(buffer, text, n)
  local seen = 0
  for row, line in ipairs(vim.api.nvim_buf_get_lines(buffer, 0, -1, false)) do
    local from = 1
    while true do
      local at = line:find(text, from, true)
      if not at then break end
      seen = seen + 1
      if seen == (n or 1) then
        vim.api.nvim_win_set_cursor(0, { row, at - 1 })
        return row - 1, at - 1
      end
      from = at + 1
    end
  end
  fail("no " .. text .. " in the buffer")
end

-- The answer of the server to a question about the place of the cursor.
local function ask(buffer, method, extra)
  local client = vim.lsp.get_clients({ bufnr = buffer, name = "tern" })[1]
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  local answer = client:request_sync(method, vim.tbl_extend("force", params, extra or {}), PATIENCE, buffer)
  if not answer or answer.err then fail(method .. ": " .. vim.inspect(answer)) end
  return answer.result
end

local function messages(buffer, count)
  wait("messages", function() return #vim.diagnostic.get(buffer) == count end)
  return vim.diagnostic.get(buffer)
end

-- ---- messages, and that they go when the fault goes

local program = written("program.mpc", {
  "use math",
  "",
  "input x: fix[64] from party 0",
  "",
  "/// Twice the logistic function.",
  "fn twice(y: fix[n]) -> fix[n] {",
  "    2 * math::sigmoid(y)",
  "}",
  "",
  "fn main() {",
  "    let z = twice(x)",
  "    output z = zz to party 0",
  "}",
})
local found = messages(program, 1)
check(found[1].code == "N001" and found[1].lnum == 11, "a misspelt name is a message at its line", found)
check(found[1].message:find("zz", 1, true) ~= nil, "which names it", found)
local row = cursor(program, "zz")
vim.api.nvim_buf_set_lines(program, row, row + 1, false, { "    output z = z to party 0" })
messages(program, 0)
check(true, "and goes when it is corrected")

-- ---- hover, definition, completion

cursor(program, "twice", 2)
local hover = ask(program, "textDocument/hover")
local text = hover.contents.value
check(text:find("Twice the logistic function", 1, true), "hovering shows a function's documentation", text)
cursor(program, "sigmoid")
text = ask(program, "textDocument/hover").contents.value
check(text:find("rounds", 1, true) and text:find("bit", 1, true), "over a line that communicates, what it costs", text)

cursor(program, "twice", 2)
vim.lsp.buf.definition()
wait("definition", function() return vim.api.nvim_win_get_cursor(0)[1] == 6 end)
check(true, "a definition is gone to")

cursor(program, "math::sigmoid")
local at = vim.api.nvim_win_get_cursor(0)
vim.api.nvim_win_set_cursor(0, { at[1], at[2] + #"math::sig" })
local completion = ask(program, "textDocument/completion")
local labels = vim.tbl_map(function(item) return item.label end, completion.items or completion)
check(vim.tbl_contains(labels, "sigmoid"), "a module's functions are completed", labels)

-- ---- hints behind the lines, as Neovim keeps them for the screen

wait("hints", function() return #vim.lsp.inlay_hint.get({ bufnr = program }) > 0 end)
local hints = vim.lsp.inlay_hint.get({ bufnr = program })
local costs = vim.tbl_map(function(hint)
  local label = hint.inlay_hint.label
  return type(label) == "string" and label or vim.iter(label):map(function(part) return part.value end):join("")
end, hints)
local said = table.concat(costs, "; ")
check(#costs >= 2 and said:find("rounds, ", 1, true), "lines that communicate have hints: " .. said, hints)

-- ---- rename, here and in the module that has the name

vim.cmd("silent write")
cursor(program, "twice", 2)
vim.lsp.buf.rename("doubled")
wait("a rename", function() return lines(program):find("fn doubled(", 1, true) ~= nil end)
check(select(2, lines(program):gsub("doubled", "")) == 2 and not lines(program):find("twice"), "a rename changes both places", lines(program))

-- ---- formatting

local row_z = cursor(program, "let z")
vim.api.nvim_buf_set_lines(program, row_z, row_z + 1, false, { "  let z   =  doubled( x )" })
vim.lsp.buf.format({ timeout_ms = PATIENCE })
check(lines(program):find("\n    let z = doubled(x)\n", 1, true), "a buffer is formatted", lines(program))

-- ---- programs of this repository

for _, name in ipairs({ "mnist_c.mpc", "digits.mpc", "examples/matrix_factorisation.mpc" }) do
  local buffer = open(root .. "/programs/" .. name)
  wait("hints in " .. name, function() return #vim.lsp.inlay_hint.get({ bufnr = buffer }) > 0 end)
  local count = #vim.lsp.inlay_hint.get({ bufnr = buffer })
  check(#vim.diagnostic.get(buffer, { severity = vim.diagnostic.severity.ERROR }) == 0, name .. ": no errors, " .. count .. " hints")
end

for _, client in ipairs(vim.lsp.get_clients({ name = "tern" })) do
  client:stop()
end
wait("the server's end", function() return #vim.lsp.get_clients({ name = "tern" }) == 0 end)
vim.fn.delete(directory, "rf")
io.write("Neovim " .. tostring(vim.version()) .. ": all as it should be\n")
os.exit(0)
