-- SPDX-License-Identifier: Apache-2.0
--
-- Takes over a changed configuration or Secret without a restart and without
-- dropping the streams of hosts that stay. The certificate, the accounts, the
-- policies of peers and the syntax of the configuration are checked first; when
-- one of them is broken, everything stays as it was and mod_xmppfed_status says why.

module:set_global();

local certmanager = require "core.certmanager";
local configmanager = require "core.configmanager";
local hostmanager = require "core.hostmanager";
local modulemanager = require "core.modulemanager";
local it = require "util.iterators";
local json = require "util.json";
local timer = require "util.timer";
local lfs = require "lfs";
local ssl = require "ssl";
local policy = module:require "xmppfed_policy";

local config_dir = prosody.paths.config;
local secret_dir = module:get_option_string("xmppfed_secret_dir");

local state = module:shared("state"); -- what is in force, read by the other modules
local seen = {}; -- directory -> target of its ..data when last looked at

local function read(path)
	local file, err = io.open(path, "rb");
	if not file then return nil, err; end
	local text = file:read("*a");
	file:close();
	return text;
end

-- kubelet replaces all files of a volume at once by renaming the symlink ..data.
local function volumes_changed()
	local changed = false;
	for _, dir in ipairs({ config_dir, secret_dir }) do
		local target = lfs.symlinkattributes(dir.."/..data", "target");
		changed = changed or seen[dir] ~= target;
		seen[dir] = target;
	end
	return changed;
end

local function load_certificate()
	local files = { certificate = secret_dir.."/tls.crt", key = secret_dir.."/tls.key" };
	local pem, err = read(files.certificate);
	if not pem then return nil, "certificate: "..err; end
	local parsed, cert = pcall(ssl.loadcertificate, pem);
	if not (parsed and cert) then return nil, "certificate: tls.crt holds no PEM certificate"; end
	-- What a handshake will do; it fails when the key belongs to another certificate.
	local context, context_err = certmanager.create_context("xmppfed", "server", files);
	if not context then return nil, "certificate: "..tostring(context_err); end
	return { serial = cert:serial(), notAfter = cert:notafter() };
end

local function load_accounts()
	local text, err = read(secret_dir.."/accounts.json");
	if not text then return nil, "accounts: "..err; end
	local decoded = json.decode(text);
	if type(decoded) ~= "table" then return nil, "accounts: accounts.json is not a JSON object"; end
	for name, password in pairs(decoded) do
		if type(name) ~= "string" or type(password) ~= "string" then
			return nil, "accounts: accounts.json is not an object of names and passwords";
		end
	end
	return decoded;
end

local function load_peers()
	local text, err = read(config_dir.."/peers.json");
	if not text then return nil, "peers: "..err; end
	local peers, peers_err = policy.parse(text);
	if not peers then return nil, "peers: "..peers_err; end
	return peers;
end

local function deep_equal(a, b)
	if type(a) ~= "table" or type(b) ~= "table" then return a == b; end
	for k, v in pairs(a) do if not deep_equal(v, b[k]) then return false; end end
	for k in pairs(b) do if a[k] == nil then return false; end end
	return true;
end

local function sync_hosts()
	local config = configmanager.getconfig();
	for _, host in ipairs(it.to_array(it.keys(prosody.hosts))) do
		local wanted, is_component = rawget(config, host), prosody.hosts[host].type == "component";
		if not wanted or is_component ~= (wanted.component_module ~= nil) then hostmanager.deactivate(host); end
	end
	for host, host_config in pairs(config) do
		if host ~= "*" and not rawget(prosody.hosts, host) then hostmanager.activate(host, host_config); end
	end
end

-- Some modules read options only when they are loaded; streams survive their reload.
local function reload_modules(before, after)
	before.xmppfed_generation = after.xmppfed_generation;
	if deep_equal(before, after) then return; end
	modulemanager.reload("*", "s2s");
	if not deep_equal(before.c2s_direct_tls_ports, after.c2s_direct_tls_ports) then modulemanager.reload("*", "c2s"); end
	for host in pairs(prosody.hosts) do
		modulemanager.load_modules_for_host(host); -- loads only what is new
		modulemanager.reload(host, "s2s");
		modulemanager.reload(host, "tls");
		if before.dialback_secret ~= after.dialback_secret then -- a reload would keep the old one
			modulemanager.unload(host, "dialback");
			modulemanager.load(host, "dialback");
		end
	end
end

local code_files = { -- libraries first, then modules in the order they are reloaded
	"xmppfed_buckets.lib", "xmppfed_cut.lib", "xmppfed_entries.lib", "xmppfed_group.lib", "xmppfed_journal.lib", "xmppfed_ledger.lib",
	"xmppfed_lines.lib", "xmppfed_lists.lib", "xmppfed_logins.lib", "xmppfed_memory.lib", "xmppfed_policy.lib", "xmppfed_queues.lib",
	"xmppfed_scram.lib", "xmppfed_sent.lib", "xmppfed_session.lib", "xmppfed_shares.lib", "xmppfed_token.lib",
	"xmppfed_weight.lib", "xmppfed_xml.lib",
	"mod_auth_xmppfed", "mod_xmppfed_accounts", "mod_xmppfed_requests", "mod_xmppfed_strangers", "mod_xmppfed_rooms",
	"mod_xmppfed_capabilities", "mod_xmppfed_history", "mod_xmppfed_presence", "mod_xmppfed_sessions",
	"mod_xmppfed_volume", "mod_xmppfed_offline", "mod_xmppfed_unacked", "mod_xmppfed_trace",
	"mod_xmppfed_peers", "mod_xmppfed_outgoing", "mod_xmppfed_dialback", "mod_xmppfed_connections", "mod_xmppfed_unfinished",
	"mod_xmppfed_rate",
	"mod_xmppfed_slow", "mod_xmppfed_returns",
	"mod_xmppfed_garbage", "mod_xmppfed_route", "mod_xmppfed_ping", "mod_xmppfed_status", "mod_xmppfed",
};

local function read_code()
	local code = {};
	for _, name in ipairs(code_files) do code[name] = read(config_dir.."/"..name..".lua"); end
	return code;
end

-- All modules, because they share libraries and each other's notes.
local function reload_changed_code()
	local before, after = state.code, read_code();
	state.code = after;
	if deep_equal(before, after) then return; end
	for _, file in ipairs(code_files) do
		local name = file:match("^mod_(.*)$");
		if name then
			modulemanager.reload("*", name);
			for host in pairs(prosody.hosts) do modulemanager.reload(host, name); end
		end
	end
	for host in pairs(prosody.hosts) do
		-- mod_xmppfed_peers loads mod_s2s; without it nothing would refuse a domain that isn't allowed.
		modulemanager.load_modules_for_host(host);
		if not modulemanager.is_loaded(host, "xmppfed_peers") then modulemanager.unload(host, "s2s"); end
	end
end

-- Returns why nothing was taken over, or an empty string.
local function take_over(reload)
	local certificate, certificate_err = load_certificate();
	if not certificate then return certificate_err; end
	local new_accounts, accounts_err = load_accounts();
	if not new_accounts then return accounts_err; end
	local new_peers, peers_err = load_peers();
	if not new_peers then return peers_err; end
	if reload then
		local before = configmanager.getconfig()["*"];
		local ok, err = prosody.reload_config();
		if not ok then return "configuration: "..tostring(err); end
		sync_hosts();
		reload_modules(before, configmanager.getconfig()["*"]);
		timer.add_task(0, reload_changed_code); -- later, because this module can't be reloaded from within
	end
	local old_accounts = state.accounts or {};
	state.accounts = new_accounts;
	prosody.events.fire_event("xmppfed-accounts-changed", old_accounts);
	local old_peers = state.peers or {};
	state.peers = new_peers;
	if not deep_equal(old_peers, new_peers) then prosody.events.fire_event("xmppfed-peers-changed"); end
	state.certificate = certificate;
	state.generation = configmanager.get("*", "xmppfed_generation");
	state.secret_generation = read(secret_dir.."/generation");
	return "";
end

local function check(reload)
	state.problem = select(2, xpcall(take_over, debug.traceback, reload));
	if state.problem ~= "" then module:log("error", "Keeping what was in force before: %s", state.problem); end
end

state.code = read_code();
volumes_changed();
check(false);
module:add_timer(1, function ()
	if volumes_changed() then check(true); end
	return 1;
end);
