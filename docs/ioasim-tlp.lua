-- Shows captures of ioasim in Wireshark: PCIe transaction layer packets behind the header that docs/capture.md describes.
--
-- Use it once:   wireshark -X lua_script:docs/ioasim-tlp.lua FILE.pcapng
-- or for good:   copy it into the folder "Personal Lua Plugins" (Help, About Wireshark, Folders).
-- Filters:       ioasim.tlp.kind == "MWr", ioasim.tlp.requester == 0x0008, ioasim.tlp.pasid, ioasim.upstream == 1

local proto = Proto("ioasim", "ioasim: PCI Express")

local directions = { [0] = "downstream", [1] = "upstream" }
local formats = {
  [0] = "3 DW, no data", [1] = "4 DW, no data", [2] = "3 DW with data", [3] = "4 DW with data", [4] = "prefix",
}
local address_types = { [0] = "untranslated", [1] = "translation request", [2] = "translated" }
local statuses = {
  [0] = "successful", [1] = "unsupported request", [2] = "request retry", [4] = "completer abort",
}
local routings = {
  [0] = "to the root complex", [1] = "by address", [2] = "by id", [3] = "broadcast", [4] = "local", [5] = "gathered",
}
local messages = {
  [0x00] = "Unlock", [0x01] = "InvReq", [0x02] = "InvCpl", [0x04] = "PageReq", [0x05] = "PRGResp", [0x10] = "LTR",
  [0x12] = "OBFF", [0x14] = "PM_Active_State_Nak", [0x18] = "PM_PME", [0x19] = "PME_Turn_Off", [0x1b] = "PME_TO_Ack",
  [0x20] = "Assert_INTA", [0x21] = "Assert_INTB", [0x22] = "Assert_INTC", [0x23] = "Assert_INTD",
  [0x24] = "Deassert_INTA", [0x25] = "Deassert_INTB", [0x26] = "Deassert_INTC", [0x27] = "Deassert_INTD",
  [0x30] = "ERR_COR", [0x31] = "ERR_NONFATAL", [0x33] = "ERR_FATAL", [0x50] = "Set_Slot_Power_Limit",
  [0x52] = "PTM Request", [0x53] = "PTM Response", [0x7e] = "Vendor_Defined Type 0", [0x7f] = "Vendor_Defined Type 1",
}
local responses = { [0] = "success", [1] = "invalid request", [15] = "response failure" }

-- By TYPE: the name without data and with data, and the form of the rest of the header. Messages are found by range.
local types = {
  [0x00] = { "MRd", "MWr", "memory" },
  [0x04] = { "CfgRd0", "CfgWr0", "config" },
  [0x05] = { "CfgRd1", "CfgWr1", "config" },
  [0x0a] = { "Cpl", "CplD", "completion" },
  [0x0c] = { nil, "FetchAdd", "memory" },
  [0x0d] = { nil, "Swap", "memory" },
  [0x0e] = { nil, "CAS", "memory" },
  [0x1b] = { nil, "DMWr", "memory" },
}

local f = {
  version = ProtoField.uint8("ioasim.version", "Version"),
  header_length = ProtoField.uint8("ioasim.header_length", "Header length"),
  upstream = ProtoField.uint8("ioasim.upstream", "Direction", base.DEC, directions),
  generation = ProtoField.uint8("ioasim.generation", "Generation"),
  width = ProtoField.uint8("ioasim.width", "Lanes"),
  link = ProtoField.uint16("ioasim.link", "Link"),
  instant = ProtoField.uint64("ioasim.instant", "Instant in ps"),

  pasid = ProtoField.uint32("ioasim.tlp.pasid", "PASID", base.DEC, nil, 0x000fffff),
  execute = ProtoField.bool("ioasim.tlp.execute", "Execute requested", 32, nil, 0x00100000),
  privileged = ProtoField.bool("ioasim.tlp.privileged", "Privileged mode requested", 32, nil, 0x00200000),

  kind = ProtoField.string("ioasim.tlp.kind", "Kind"),
  fmt = ProtoField.uint32("ioasim.tlp.fmt", "Fmt", base.DEC, formats, 0xe0000000),
  type = ProtoField.uint32("ioasim.tlp.type", "Type", base.HEX, nil, 0x1f000000),
  tc = ProtoField.uint32("ioasim.tlp.tc", "Traffic class", base.DEC, nil, 0x00700000),
  ido = ProtoField.bool("ioasim.tlp.ido", "ID-based ordering", 32, nil, 0x00040000),
  ro = ProtoField.bool("ioasim.tlp.ro", "Relaxed ordering", 32, nil, 0x00002000),
  ns = ProtoField.bool("ioasim.tlp.ns", "No snoop", 32, nil, 0x00001000),
  td = ProtoField.bool("ioasim.tlp.td", "Digest", 32, nil, 0x00008000),
  ep = ProtoField.bool("ioasim.tlp.ep", "Poisoned", 32, nil, 0x00004000),
  at = ProtoField.uint32("ioasim.tlp.at", "Address type", base.DEC, address_types, 0x00000c00),
  length = ProtoField.uint32("ioasim.tlp.length", "Length in words"),
  tag = ProtoField.uint32("ioasim.tlp.tag", "Tag", base.HEX),
  requester = ProtoField.uint16("ioasim.tlp.requester", "Requester", base.HEX),
  completer = ProtoField.uint16("ioasim.tlp.completer", "Completer", base.HEX),
  target = ProtoField.uint16("ioasim.tlp.target", "Target", base.HEX),
  first_be = ProtoField.uint8("ioasim.tlp.first_be", "First byte enables", base.HEX, nil, 0x0f),
  last_be = ProtoField.uint8("ioasim.tlp.last_be", "Last byte enables", base.HEX, nil, 0xf0),
  address = ProtoField.uint64("ioasim.tlp.address", "Address", base.HEX),
  no_write = ProtoField.bool("ioasim.tlp.no_write", "No write", 32, nil, 0x00000001),
  register = ProtoField.uint16("ioasim.tlp.register", "Register", base.HEX),
  status = ProtoField.uint16("ioasim.tlp.status", "Status", base.DEC, statuses, 0xe000),
  byte_count = ProtoField.uint32("ioasim.tlp.byte_count", "Byte count"),
  lower_address = ProtoField.uint8("ioasim.tlp.lower_address", "Lower address", base.HEX, nil, 0x7f),
  code = ProtoField.uint8("ioasim.tlp.message", "Message", base.HEX, messages),
  routing = ProtoField.uint32("ioasim.tlp.routing", "Routing", base.DEC, routings, 0x07000000),
  word2 = ProtoField.uint32("ioasim.tlp.word2", "Third word", base.HEX),
  word3 = ProtoField.uint32("ioasim.tlp.word3", "Fourth word", base.HEX),
  data = ProtoField.bytes("ioasim.tlp.data", "Data"),

  itag = ProtoField.uint8("ioasim.ats.itag", "ITag"),
  itag_vector = ProtoField.uint32("ioasim.ats.itags", "ITag vector", base.HEX),
  count = ProtoField.uint32("ioasim.ats.count", "Completion count", base.DEC, nil, 0x00000007),
  group = ProtoField.uint32("ioasim.pri.group", "Page request group"),
  last = ProtoField.bool("ioasim.pri.last", "Last of its group", 32, nil, 0x00000004),
  write = ProtoField.bool("ioasim.pri.write", "Write", 32, nil, 0x00000002),
  read = ProtoField.bool("ioasim.pri.read", "Read", 32, nil, 0x00000001),
  response = ProtoField.uint32("ioasim.pri.response", "Response", base.DEC, responses, 0x0000f000),
  global = ProtoField.bool("ioasim.ats.global", "Global invalidate", 32, nil, 0x00000001),
  sized = ProtoField.bool("ioasim.ats.sized", "S: the address gives a size", 32, nil, 0x00000800),
}

local all = {}
for _, field in pairs(f) do all[#all + 1] = field end
proto.fields = all

local not_understood = ProtoExpert.new("ioasim.unknown", "Not a TLP that this file knows", expert.group.UNDECODED,
  expert.severity.WARN)
proto.experts = { not_understood }

-- "bb:dd.f" of two bytes.
local function id_text(range)
  return string.format("%02x:%02x.%d", range:bitfield(0, 8), range:bitfield(8, 5), range:bitfield(13, 3))
end

local function add_id(tree, field, range)
  tree:add(field, range):append_text(" (" .. id_text(range) .. ")")
end

-- An address of two words (`high` is nil when there is one), of which the lower `zeros` bits are something else.
local function add_address(tree, high, low, zeros)
  local upper = high and high:uint() or 0
  local lower = low:bitfield(0, 32 - zeros) * 2 ^ zeros
  tree:add(f.address, UInt64(lower, upper)):set_generated()
  return upper == 0 and string.format("0x%x", lower) or string.format("0x%x%08x", upper, lower)
end

-- "root to dma0, generation 3, x8"
local link_description = Field.new("frame.interface_description")

local forms = {}

function forms.memory(tlp, tree, words)
  add_id(tree, f.requester, tlp(4, 2))
  tree:add(f.last_be, tlp(7, 1))
  tree:add(f.first_be, tlp(7, 1))
  tree:add(f.at, tlp(0, 4))
  local address_type = tlp(0, 4):bitfield(20, 2)
  local low = tlp(words * 4 - 4, 4)
  if address_type == 1 then tree:add(f.no_write, low) end
  local address = add_address(tree, words == 4 and tlp(8, 4) or nil, low, address_type == 1 and 12 or 2)
  local kind = address_types[address_type] or "reserved address type"
  return string.format("from %s, %s at %s", id_text(tlp(4, 2)), kind, address)
end

function forms.config(tlp, tree)
  add_id(tree, f.requester, tlp(4, 2))
  add_id(tree, f.target, tlp(8, 2))
  tree:add(f.first_be, tlp(7, 1))
  local register = tlp(10, 2):bitfield(4, 10) * 4
  tree:add(f.register, tlp(10, 2), register)
  return string.format("%s, register 0x%x", id_text(tlp(8, 2)), register)
end

function forms.completion(tlp, tree)
  add_id(tree, f.completer, tlp(4, 2))
  add_id(tree, f.requester, tlp(8, 2))
  tree:add(f.status, tlp(6, 2))
  local count = tlp(6, 2):bitfield(4, 12)
  tree:add(f.byte_count, tlp(6, 2), count == 0 and 4096 or count)
  tree:add(f.lower_address, tlp(11, 1))
  local status = tlp(6, 2):bitfield(0, 3)
  return string.format("for %s, %s", id_text(tlp(8, 2)), statuses[status] or "status " .. status)
end

local say = {}

say[0x01] = function(tlp, tree)
  tree:add(f.itag, tlp(6, 1))
  if tlp:len() < 24 then return "without data" end
  tree:add(f.sized, tlp(20, 4))
  tree:add(f.global, tlp(20, 4))
  return string.format("ITag %d, %s", tlp(6, 1):uint(), add_address(tree, tlp(16, 4), tlp(20, 4), 12))
end

say[0x02] = function(tlp, tree)
  tree:add(f.count, tlp(8, 4))
  tree:add(f.itag_vector, tlp(12, 4))
  return string.format("ITags 0x%x", tlp(12, 4):uint())
end

say[0x04] = function(tlp, tree)
  local low = tlp(12, 4)
  local group = low:bitfield(20, 9)
  tree:add(f.group, low, group)
  tree:add(f.last, low)
  tree:add(f.write, low)
  tree:add(f.read, low)
  return string.format("group %d, %s", group, add_address(tree, tlp(8, 4), low, 12))
end

say[0x05] = function(tlp, tree)
  local word = tlp(8, 4)
  local group = word:bitfield(23, 9)
  tree:add(f.group, word, group)
  tree:add(f.response, word)
  local code = word:bitfield(16, 4)
  return string.format("group %d: %s", group, responses[code] or "code " .. code)
end

function forms.message(tlp, tree)
  add_id(tree, f.requester, tlp(4, 2))
  tree:add(f.routing, tlp(0, 4))
  tree:add(f.code, tlp(7, 1))
  local parts = { "from " .. id_text(tlp(4, 2)) }
  if tlp(0, 1):bitfield(5, 3) == 2 then
    add_id(tree, f.target, tlp(8, 2))
    parts[#parts + 1] = "to " .. id_text(tlp(8, 2))
  end
  tree:add(f.word2, tlp(8, 4))
  tree:add(f.word3, tlp(12, 4))
  local code = tlp(7, 1):uint()
  if say[code] then parts[#parts + 1] = say[code](tlp, tree) end
  return table.concat(parts, ", "), messages[code] or string.format("0x%02x", code)
end

local function dissect_tlp(tlp, pinfo, root)
  local tree = root:add(proto, tlp(), "Transaction layer packet")
  local prefix = ""
  if tlp:len() >= 4 and tlp(0, 1):uint() == 0x91 then
    local word = tlp(0, 4)
    tree:add(f.pasid, word)
    tree:add(f.execute, word)
    tree:add(f.privileged, word)
    prefix = string.format(", PASID %d", word:bitfield(12, 20))
    if tlp:len() == 4 then return tree:add_proto_expert_info(not_understood) end
    tlp = tlp(4):tvb()
  end
  local format = tlp(0, 1):bitfield(0, 3)
  local type = tlp(0, 1):bitfield(3, 5)
  local words = format % 2 == 1 and 4 or 3
  local with_data = format == 2 or format == 3
  local is_message = type >= 0x10 and type <= 0x15
  local known = is_message and { "Msg", "MsgD", "message" } or types[type]
  local name = known and known[with_data and 2 or 1]
  if format > 3 or not name or tlp:len() < words * 4 or (is_message and words == 3) then
    return tree:add_proto_expert_info(not_understood)
  end
  tree:add(f.fmt, tlp(0, 4))
  tree:add(f.type, tlp(0, 4))
  for _, field in ipairs({ f.tc, f.ido, f.ro, f.ns, f.td, f.ep }) do tree:add(field, tlp(0, 4)) end
  local length = tlp(2, 2):bitfield(6, 10)
  if with_data or known[3] == "memory" then tree:add(f.length, tlp(2, 2), length == 0 and 1024 or length) end
  local tag_at = known[3] == "completion" and 10 or 6
  local tag = tlp(tag_at, 1):uint() + tlp(1, 1):bitfield(0, 1) * 512 + tlp(1, 1):bitfield(4, 1) * 256
  tree:add(f.tag, tlp(tag_at, 1), tag)
  local text, more = forms[known[3]](tlp, tree, words)
  if more then name = name .. " " .. more end
  tree:add(f.kind, name):set_generated()
  if tlp:len() > words * 4 then tree:add(f.data, tlp(words * 4)) end
  tree:append_text(": " .. name)
  pinfo.cols.info = name .. "  " .. text .. prefix
end

function proto.dissector(buffer, pinfo, root)
  if buffer:len() < 16 then return 0 end
  local header_length = buffer(1, 1):uint()
  pinfo.cols.protocol = "PCIe"
  local tree = root:add(proto, buffer(0, math.min(header_length, buffer:len())), "ioasim capture header")
  tree:add(f.version, buffer(0, 1))
  tree:add(f.header_length, buffer(1, 1))
  tree:add(f.upstream, buffer(2, 1))
  tree:add(f.generation, buffer(3, 1))
  tree:add(f.width, buffer(4, 1))
  tree:add(f.link, buffer(6, 2))
  tree:add(f.instant, buffer(8, 8))
  local description = link_description()
  local above, below = tostring(description or ""):match("^(.-) to (.-), ")
  above = above or "above"
  below = below or "link " .. buffer(6, 2):uint()
  local upstream = buffer(2, 1):uint() == 1
  pinfo.cols.src = upstream and below or above
  pinfo.cols.dst = upstream and above or below
  if buffer(0, 1):uint() ~= 1 or header_length < 16 or buffer:len() < header_length + 4 then
    tree:add_proto_expert_info(not_understood)
    return buffer:len()
  end
  dissect_tlp(buffer(header_length):tvb(), pinfo, root)
  return buffer:len()
end

-- LINKTYPE_USER0
DissectorTable.get("wtap_encap"):add(wtap.USER0, proto)
