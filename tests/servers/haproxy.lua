-- What tests ask of haproxy at run time: which requests came, and what shall go wrong with the next ones.
--
-- Everything is in memory and is set over haproxy's command socket, so that nothing has to be reloaded. A request is noted before
-- it is passed on: whoever has an answer finds the request in the list. haproxy runs with one thread, so that this is one Lua state.

local requests = {}
local faults = {}

local function decode(text)
    return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function fits(fault, method, target, condition)
    return fault.left > 0
        and (fault.kind ~= "refuse_conditions" or condition ~= "")
        and (fault.method == "" or fault.method == method)
        and (fault.containing == "" or string.find(target, fault.containing, 1, true) ~= nil)
end

local function refuse_with(txn, fault)
    local reply = txn:reply()
    reply:set_status(tonumber(fault.value))
    reply:add_header("Content-Type", "application/xml")
    if fault.extra ~= "" then
        reply:add_header("Retry-After", fault.extra)
    end
    reply:set_body("<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>asked for by a test</Message></Error>")
    txn:done(reply)
end

local on_request = {
    fail = refuse_with,
    refuse_conditions = refuse_with,
    delay = function(_, fault) core.msleep(tonumber(fault.value)) end,
    drop = function(txn) txn:set_var("txn.drop", 1) end,
    stall = function(txn) txn:set_var("txn.stall", 1) end,
    cut = function(txn, fault) txn:set_var("txn.cut", tonumber(fault.value)) end,
    forget_header = function(txn, fault) txn.http:req_del_header(fault.value) end,
    set_header = function(txn, fault)
        txn:set_var("txn.header", fault.value)
        txn:set_var("txn.header_value", fault.extra)
    end,
}

core.register_action("arrive", { "http-req" }, function(txn)
    local headers = txn.http:req_get_headers()
    local function header(name) return headers[name] and headers[name][0] or "" end
    local method, target = txn.f:method(), txn.f:url()
    local request = { method = method, target = target, range = header("range"), condition = header("if-match"),
                      authorization = header("authorization"), token = header("x-amz-security-token"), status = 0, length = 0 }
    requests[#requests + 1] = request
    txn:set_priv(request)
    for _, fault in ipairs(faults) do
        if fits(fault, method, target, request.condition) then
            fault.left = fault.left - 1
            on_request[fault.kind](txn, fault)
            return
        end
    end
end)

core.register_action("answer", { "http-res" }, function(txn)
    local request = txn:get_priv()
    local headers = txn.http:res_get_headers()
    if request then
        request.status = txn.f:status()
        request.length = tonumber(headers["content-length"] and headers["content-length"][0] or 0)
    end
    local name = txn:get_var("txn.header")
    if name then
        txn.http:res_del_header(name)
        if txn:get_var("txn.header_value") ~= "" then
            txn.http:res_set_header(name, txn:get_var("txn.header_value"))
        end
    end
end)

-- Takes away all but the first bytes of a body, whatever its Content-Length said; a rule then closes the connection.
local Cut = { id = "cut a body short", flags = filter.FLT_CFG_FL_HTX }
Cut.__index = Cut
function Cut:new() return setmetatable({ passed = 0 }, Cut) end
function Cut:start_analyze(txn, channel)
    if channel:is_resp() then
        filter.register_data_filter(self, channel)
    end
end
function Cut:http_payload(txn, message)
    local limit = txn:get_var("txn.cut")
    if limit then
        local going = math.min(message:input(), limit - self.passed)
        self.passed = self.passed + going
        message:remove(going)
        return going
    end
end
core.register_filter("cut", Cut, function(cut) return cut end)

core.register_cli({ "artfs", "fault" }, "", function(applet, _, _, kind, left, value, extra, method, containing)
    faults[#faults + 1] = { kind = kind, left = tonumber(left), value = decode(value):sub(2), extra = decode(extra):sub(2),
                            method = decode(method):sub(2), containing = decode(containing):sub(2) }
    applet:send("ok\n")
end)
core.register_cli({ "artfs", "clear" }, "", function(applet)
    requests, faults = {}, {}
    applet:send("ok\n")
end)
core.register_cli({ "artfs", "requests" }, "", function(applet)
    for _, r in ipairs(requests) do
        applet:send(table.concat({ r.method, r.target, r.status, r.length, r.range, r.condition, r.authorization, r.token }, "\t") .. "\n")
    end
end)
