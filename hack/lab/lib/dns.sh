# shellcheck shell=bash
# Public DNS: two BIND servers in host "internet". The primary takes dynamic updates, the secondary follows
# by NOTIFY and zone transfer. Both also answer for the root, so that every other name is NXDOMAIN instead
# of a query that leaves the lab. A third one is a resolver that caches and validates, as a partner may have.

DNS=$LAB_DIR/dns
# Zones the tests write to, and what fed-key may do in each (update-policy of BIND, first match wins).
# cupdomain.com shows the least that xmppfed needs: the records, and ownership markers below _xmppfed of the
# domain or host they guard. The others are for tests that use names of their own.
declare -A UPDATE_POLICY=(
	[cupdomain.com]='
		grant fed-key name _xmpp-server._tcp.cupdomain.com. SRV;
		grant fed-key name _xmpps-server._tcp.cupdomain.com. SRV;
		grant fed-key subdomain _xmppfed.cupdomain.com. TXT;
		grant fed-key name _xmpp-server._tcp.conference.cupdomain.com. SRV;
		grant fed-key name _xmpps-server._tcp.conference.cupdomain.com. SRV;
		grant fed-key subdomain _xmppfed.conference.cupdomain.com. TXT;
		grant fed-key name cup1.cupdomain.com. A AAAA;
		grant fed-key subdomain _xmppfed.cup1.cupdomain.com. TXT;
		grant fed-key name xmpp.cupdomain.com. A AAAA;
		grant fed-key subdomain _xmppfed.xmpp.cupdomain.com. TXT;'
	[example.net]='grant fed-key zonesub ANY;'
	[bench.example]='grant fed-key zonesub ANY;'
	[signed.example]='grant fed-key zonesub ANY;'
)
# Zones that a test may have for itself, to compare everything in them.
OWN_ZONES=8
for zone in $(seq -f own%g.example $OWN_ZONES); do UPDATE_POLICY[$zone]='grant fed-key zonesub ANY;'; done
unset zone
# The zone that is signed (DNSSEC), and has a DS record at its parent.
SIGNED_ZONE=signed.example
# Zones whose name servers have names in another zone, as with most DNS hosts.
declare -A NAME_SERVERS_IN=([example.net]=cupdomain.com)
# What prints the records of a zone, where that is not records_of_others.
declare -A ZONE_RECORDS=()

# add_zone ZONE RECORDS adds a zone that nobody but lab-admin may update.
add_zone() {
	UPDATE_POLICY[$1]=
	ZONE_RECORDS[$1]=$2
}

make_dns() {
	local key zone
	mkdir -p "$DNS"/{primary,secondary,resolver,keys}
	# Debian confines /usr/sbin/named (AppArmor) to directories that are not the lab's.
	install "$(type -P named)" "$DNS/named"
	# fed-key belongs to the operator, weak-key may update nothing, lab-admin everything (tests tamper with it).
	for key in fed-key weak-key lab-admin; do
		tsig-keygen -a hmac-sha256 "$key" >"$DNS/keys/$key.conf"
		awk -F'"' '/secret/ { printf "%s", $2 }' "$DNS/keys/$key.conf" >"$DNS/keys/$key.secret"
	done
	dnssec-keygen -q -k default -K "$DNS/primary" "$SIGNED_ZONE" >/dev/null
	dnssec-dsfromkey -2 "$DNS/primary/K$SIGNED_ZONE".*.key >"$DNS/primary/$SIGNED_ZONE.ds"
	root_zone >"$DNS/primary/root.zone"
	for zone in "${!UPDATE_POLICY[@]}"; do
		zone_file "$zone" >"$DNS/primary/$zone.zone"
	done
	named_conf primary "$DNS_PRIMARY" >"$DNS/primary/named.conf"
	named_conf secondary "$DNS_SECONDARY" >"$DNS/secondary/named.conf"
	resolver_conf >"$DNS/resolver/named.conf"
}

# dns stop|start|restart [primary|secondary], or: dns update (reads commands of nsupdate, may change everything)
dns() {
	local action=${1-} which=${2-}
	case $action:$which in
	update:) in_host internet nsupdate -k "$DNS/keys/lab-admin.conf" < <(echo "server $DNS_PRIMARY" && cat) ;;
	stop: | start: | restart:)
		dns "$action" primary
		dns "$action" secondary
		;;
	stop:primary | stop:secondary) stop "dns-$which" ;;
	start:primary | start:secondary) start_dns "$which" ;;
	restart:primary | restart:secondary)
		stop "dns-$which"
		start_dns "$which"
		;;
	*) die "want: dns stop|start|restart [primary|secondary], or dns update <COMMANDS" ;;
	esac
}

start_dns() {
	local addr
	case $1 in
	primary) addr=$DNS_PRIMARY ;;
	secondary) addr=$DNS_SECONDARY ;;
	resolver) addr=$DNS_RESOLVER ;;
	esac
	start "dns-$1" internet "$DNS/named" -f -n 1 -c "$DNS/$1/named.conf"
	await 10 "DNS server $1" dns_answers "$addr"
}

dns_answers() { in_host internet dig +tries=1 +time=1 @"$1" cupdomain.com SOA | grep -q 'status: NOERROR'; }

# soa DOMAIN prints the records that every zone has, with name servers in DOMAIN. Short times: tests wait for
# negative answers to age.
soa() {
	cat <<-E
		\$TTL 60
		@ SOA ns1.$1 hostmaster.$1 1 5 2 3600 1
		@ NS ns1.$1
		@ NS ns2.$1
	E
}

zone_file() {
	local servers_in=${NAME_SERVERS_IN[$1]:-$1}
	soa "$servers_in."
	[[ $servers_in != "$1" ]] || cat <<-E
		ns1 A $DNS_PRIMARY
		ns2 A $DNS_SECONDARY
	E
	"${ZONE_RECORDS[$1]:-records_of_others}"
}

# records_of_others are in each zone that tests write to: nothing that updates the zone may touch them.
records_of_others() {
	cat <<-E
		@ MX 10 mail
		@ TXT "v=spf1 mx -all"
		mail A 203.0.113.60
		www A 203.0.113.61
	E
}

root_zone() {
	local zone servers_in
	soa root-servers.
	echo "ns1.root-servers A $DNS_PRIMARY"
	echo "ns2.root-servers A $DNS_SECONDARY"
	cat "$DNS/primary/$SIGNED_ZONE.ds"
	for zone in "${!UPDATE_POLICY[@]}"; do
		servers_in=${NAME_SERVERS_IN[$zone]:-$zone}
		printf '%s NS %s.%s\n' "$zone" ns1 "$servers_in" "$zone" ns2 "$servers_in"
		[[ $servers_in != "$zone" ]] || printf '%s.%s A %s\n' ns1 "$zone" "$DNS_PRIMARY" ns2 "$zone" "$DNS_SECONDARY"
	done
}

# named_conf primary|secondary ADDRESS. "recursion yes" makes them the resolvers of the lab too: they know
# the root, so that an answer never has to come from elsewhere.
named_conf() {
	local zone
	cat <<-E
		options {
			directory "$DNS/$1";
			pid-file none;
			session-keyfile "$DNS/$1/session.key";
			listen-on { $2; };
			listen-on-v6 { $(address6 "$2"); };
			query-source address $2;
			notify-source $2;
			transfer-source $2;
			recursion yes;
			allow-recursion { any; };
			allow-transfer { $DNS_SECONDARY; key lab-admin; };
			dnssec-validation no;
			notify-delay 0;
			notify-rate 1000;
			startup-notify-rate 1000;
			serial-query-rate 1000;
			transfers-in 100;
			transfers-per-ns 100;
			min-refresh-time 1;
			min-retry-time 1;
			max-journal-size 16m;
		};
		controls {};
		logging {
			channel updates { file "$LOGS/dns-$1-updates.log"; print-time iso8601; print-category yes; };
			channel queries { file "$LOGS/dns-$1-queries.log"; print-time iso8601; };
			channel main { stderr; print-time iso8601; };
			category default { main; };
			category update { updates; };
			category update-security { updates; };
			category queries { queries; };
		};
	E
	cat "$DNS"/keys/*.conf
	zone_conf "$1" . root ''
	for zone in "${!UPDATE_POLICY[@]}"; do
		zone_conf "$1" "$zone" "$zone" "${UPDATE_POLICY[$zone]}"
	done
}

# resolver_conf: the root is not signed, so what is to be trusted is the signed zone's own key.
resolver_conf() {
	local tag algorithm digest
	read -r _ _ _ tag algorithm _ digest <"$DNS/primary/$SIGNED_ZONE.ds"
	printf '%s\n' '. NS ns1.root-servers.' "ns1.root-servers. A $DNS_PRIMARY" >"$DNS/resolver/root.hints"
	cat <<-E
		options {
			directory "$DNS/resolver";
			pid-file none;
			session-keyfile none;
			listen-on { $DNS_RESOLVER; };
			listen-on-v6 { $(address6 "$DNS_RESOLVER"); };
			query-source address $DNS_RESOLVER;
			recursion yes;
			allow-recursion { any; };
			dnssec-validation yes;
		};
		controls {};
		trust-anchors { $SIGNED_ZONE static-ds $tag $algorithm 2 "${digest// /}"; };
		zone "." { type hint; file "root.hints"; };
	E
}

# zone_conf primary|secondary ZONE FILE POLICY
zone_conf() {
	local signing=
	[[ $2 != "$SIGNED_ZONE" ]] || signing='dnssec-policy default;'
	if [[ $1 == primary ]]; then
		cat <<-E
			zone "$2" {
				type primary; file "$3.zone";
				also-notify { $DNS_SECONDARY; }; $signing
				update-policy { grant lab-admin zonesub ANY; $4 };
			};
		E
	else
		cat <<-E
			zone "$2" { type secondary; file "$3.zone"; masterfile-format text; primaries { $DNS_PRIMARY; }; allow-notify { $DNS_PRIMARY; }; };
		E
	fi
}
