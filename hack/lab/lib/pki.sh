# shellcheck shell=bash
# Certificates: the lab CA, which plays the public CA that everybody trusts, and the cluster's own.

PKI=$LAB_DIR/pki

# new_ca NAME COMMON_NAME
new_ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$2" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
		-keyout "$PKI/$1.key" -out "$PKI/$1.crt" 2>/dev/null
}

# issue CA DIRECTORY NAME… writes tls.crt and tls.key for the names (DNS:… or IP:…; a bare name is DNS) into DIRECTORY.
# With "itself" as the CA, the certificate is self-signed. VALID_DAYS=0 makes one that has expired.
issue() {
	local dir=$2 signer=(-CA "$PKI/$1.crt" -CAkey "$PKI/$1.key") names=() name list request
	[[ $1 != itself ]] || signer=(-signkey "$dir/tls.key")
	shift 2
	for name; do
		case $name in DNS:* | IP:*) names+=("$name") ;; *) names+=("DNS:$name") ;; esac
	done
	list=$(IFS=, && echo "${names[*]}")
	mkdir -p "$dir"
	# One after the other: who signs by itself needs the new key, not the one that the file had before.
	if ! request=$(openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=${names[0]#*:}" \
		-addext "subjectAltName=$list" -addext basicConstraints=critical,CA:FALSE \
		-addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth,clientAuth \
		-keyout "$dir/tls.key" 2>/dev/null) ||
		! openssl x509 -req -copy_extensions copyall -days "${VALID_DAYS:-365}" "${signer[@]}" -out "$dir/tls.crt" \
			<<<"$request" 2>/dev/null; then
		die "making a certificate for ${names[*]}"
	fi
}

make_pki() {
	mkdir -p "$PKI"
	new_ca ca "Lab Public CA"
	new_ca other-ca "Other CA" # for those who don't trust the first one
	new_ca cluster-ca "Lab Cluster CA"
	issue cluster-ca "$PKI/apiserver" kubernetes kubernetes.default kubernetes.default.svc \
		kubernetes.default.svc.cluster.local localhost "IP:$NODE_IP" IP:10.96.0.1 IP:127.0.0.1
	openssl genrsa -out "$PKI/service-accounts.key" 2048 2>/dev/null
	openssl rsa -in "$PKI/service-accounts.key" -pubout -out "$PKI/service-accounts.pub" 2>/dev/null
}
