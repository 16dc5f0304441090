// SPDX-License-Identifier: Apache-2.0

// Command dns measures, side by side, how fast and how completely xmppfed and ExternalDNS bring changes of Kubernetes
// objects into the DNS: the same API server, the same BIND, by dynamic update (RFC 2136), one after the other in turns. It
// needs root, for a network of its own. It fails when xmppfed misses what is promised of it (see verdicts.go).
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
)

// options are the flags.
type options struct {
	quick       bool
	out         string
	operator    string
	externalDNS string
	crd         string
	version     string
	names       int
}

func main() {
	var o options
	inside := flag.String("inside", "", "be in the namespaces already, with this directory")
	render := flag.String("render", "", "write the chart and the page of docs from this file of results, and measure nothing")
	flag.BoolVar(&o.quick, "quick", false, "measure less, in under 10 minutes")
	flag.StringVar(&o.out, "out", "bin/bench-dns", "directory for raw data, chart and page")
	flag.StringVar(&o.operator, "operator", "bin/xmppfed-operator", "path of the operator")
	flag.StringVar(&o.externalDNS, "external-dns", "bin/lab/external-dns", "path of ExternalDNS")
	flag.StringVar(&o.crd, "crd", "", "path of ExternalDNS's CRD")
	flag.StringVar(&o.version, "external-dns-version", "unknown", "version of ExternalDNS")
	flag.IntVar(&o.names, "names", 0, "measure at this many names instead of those of the plan, to try the program itself")
	flag.Parse()
	var err error
	switch {
	case *render != "":
		err = renderFile(*render, o.out)
	case *inside != "":
		err = inNamespaces(*inside, o)
	default:
		err = seclude()
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			os.Exit(ended.ExitCode()) // the one inside has told why
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-dns:", err)
		os.Exit(1)
	}
}

// inNamespaces measures and judges.
func inNamespaces(dir string, o options) error {
	ctx, stop := leashed()
	defer stop(nil)
	s := &stage{dir: dir}
	defer s.end()
	results, err := measure(ctx, stop, s, o)
	if err != nil {
		return err
	}
	if err := results.write(o.out); err != nil {
		return err
	}
	results.print(os.Stdout)
	return results.failed()
}
