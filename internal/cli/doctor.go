// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/cli/report"
)

const (
	fromHere    = "here"
	fromCluster = "cluster"
	fromBoth    = "both"
)

// doctorOptions are the flags of the verb doctor.
type doctorOptions struct {
	peers, resolvers, authorities []string
	from                          string
	timeout                       time.Duration
	format                        *output
}

func newDoctor(env *environment) *cobra.Command {
	options := doctorOptions{}
	cmd := &cobra.Command{
		Use:   "doctor FEDERATION | DOMAIN",
		Short: "Try everything that federation takes, and say what is wrong, on which side, and what to do",
		Long: "Try everything that federation takes, and say what is wrong, on which side, and what to do: the DNS at every\n" +
			"name server, connections, streams, encryption, certificates, and partners.\n\n" +
			"A domain needs no cluster, and may be served by any XMPP server. For a Federation the checks also compare with\n" +
			"what it publishes, ask its server about itself, and have the server try the partners from its own position.\n" +
			"An argument with a dot that is no Federation is a domain. docs/reference/checks.md explains each check.",
		Example: "  kubectl xmppfed doctor cup -n chat\n" +
			"  kubectl xmppfed doctor example.org --peer example.net -o wide",
		Args:              doctorArguments,
		ValidArgsFunction: env.completeFederations,
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&options.peers, "peer", nil, "partner's domain to try; may be repeated (for a Federation: those of spec.peers)")
	flags.StringVar(&options.from, "from", "", "where to try from: here, cluster or both (for a Federation: both; for a domain: here)")
	flags.StringSliceVar(&options.resolvers, "resolver", nil, "DNS resolver to ask, as ip or ip:port; may be repeated (for a Federation: "+
		"those of spec.verification.resolvers; else those of this machine)")
	flags.StringSliceVar(&options.authorities, "ca", nil, "file with CA certificates (PEM) to trust besides those of this machine")
	flags.DurationVar(&options.timeout, "timeout", time.Minute, "how long all checks may take")
	options.format = addOutput(cmd, "table", "wide", "json", "yaml", "junit")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return env.doctor(cmd.Context(), args[0], options) }
	return cmd
}

// doctor makes the checks and shows what came of them.
func (e *environment) doctor(ctx context.Context, argument string, options doctorOptions) error {
	ctx, cancel := context.WithTimeout(ctx, options.timeout)
	defer cancel()
	patient, err := e.patient(ctx, argument, options)
	if err != nil {
		return err
	}
	results := e.examine(ctx, patient)
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return err
	}
	found := report.New(patient.name(), results)
	if err := e.showReport(found, options.format.value); err != nil {
		return err
	}
	if found.Failed() {
		return errFound
	}
	return nil
}

func (e *environment) showReport(found report.Report, format string) error {
	switch format {
	case "json":
		return printJSON(e.Out, found)
	case "yaml":
		return printYAML(e.Out, found)
	case "junit":
		shown, err := report.JUnit(found)
		if err != nil {
			return err
		}
		fmt.Fprint(e.Out, shown)
	default:
		fmt.Fprint(e.Out, report.Render(found, e.style(), format == "wide"))
	}
	return nil
}

// patient is what doctor looks at.
type patient struct {
	domain        string
	fed           *v1alpha1.Federation // nil for a bare domain
	cluster       *cluster             // nil for a bare domain
	peers         []partner
	resolvers     []string
	roots         *x509.CertPool
	here, through bool // look from here, and through the cluster

	// addresses are the Federation's public ones.
	addresses []netip.Addr
	// servers are those of the Federation, left is why they can't be asked.
	servers servers
	left    string
	// generation of the configuration, and the dialback secret, that the servers were given.
	generation, dialbackSecret string
}

// name is what the user asked for.
func (p patient) name() string {
	if p.fed == nil {
		return p.domain
	}
	return p.fed.Namespace + "/" + p.fed.Name
}

// partner is another side.
type partner struct {
	domain, route string
	policy        v1alpha1.PeerPolicy
}

// patient finds out what the argument names.
func (e *environment) patient(ctx context.Context, argument string, options doctorOptions) (patient, error) {
	var p patient
	var err error
	if p.resolvers, err = resolverAddresses(options.resolvers); err != nil {
		return p, err
	}
	if p.roots, err = trust(options.authorities); err != nil {
		return p, err
	}
	domain, noDomain := domainOf(argument)
	if len(validation.IsDNS1123Subdomain(argument)) == 0 { // so it may be the name of a Federation
		if p.cluster, p.fed, err = e.lookUp(ctx, argument); err != nil {
			return p, err
		}
	}
	if p.fed == nil && noDomain != nil {
		return p, noDomain
	}
	p.domain = domain
	if p.here, p.through, err = vantages(options.from, p.fed != nil); err != nil {
		return p, err
	}
	for _, given := range options.peers {
		domain, err := domainOf(given)
		if err != nil {
			return p, fmt.Errorf("--peer %w", err)
		}
		policy := (v1alpha1.PeerDefaults{}).Policy()
		if p.fed != nil {
			policy = p.fed.Spec.PeerDefaults.Policy()
		}
		p.peers = append(p.peers, partner{domain: domain, policy: policy})
	}
	if p.fed == nil {
		return p, nil
	}
	p.read(ctx)
	if left := len(p.peers) - maxPeers; left > 0 && len(options.peers) == 0 {
		p.peers = p.peers[:maxPeers]
		fmt.Fprintf(e.ErrOut, "The first %d of spec.peers are tried; name any of the %d others with --peer.\n", maxPeers, left)
	}
	return p, nil
}

// vantages understands the flag --from.
func vantages(from string, isFederation bool) (here, through bool, err error) {
	if from == "" {
		if from = fromHere; isFederation {
			from = fromBoth
		}
	}
	switch from {
	case fromHere:
		return true, false, nil
	case fromCluster, fromBoth:
		if !isFederation {
			return false, false, errors.New("only a Federation can be looked at from the cluster; --from here does for a domain")
		}
		return from == fromBoth, true, nil
	}
	return false, false, errors.New("--from must be one of here, cluster, both")
}

// resolverAddresses gives those without a port the usual one.
func resolverAddresses(given []string) ([]string, error) {
	list := make([]string, len(given))
	for i, text := range given {
		if address, err := netip.ParseAddr(text); err == nil {
			text = net.JoinHostPort(address.String(), "53")
		}
		if _, err := netip.ParseAddrPort(text); err != nil {
			return nil, fmt.Errorf("--resolver %s is neither an address nor address:port", given[i])
		}
		list[i] = text
	}
	return list, nil
}

// trust is the machine's CAs with those in the files; nil when there are no files, which means the machine's.
func trust(files []string) (*x509.CertPool, error) {
	if len(files) == 0 {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading CA certificates: %w", err)
		}
		if !roots.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("reading CA certificates: %s has none", file)
		}
	}
	return roots, nil
}

// newChecker is replaced by tests.
var newChecker = check.New
