// SPDX-License-Identifier: Apache-2.0

// Command operator runs the xmppfed operator.
package main

import (
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/xmppfed/xmppfed/internal/operator"
)

func main() {
	if err := operator.Command().ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, "xmppfed-operator:", err)
		os.Exit(1)
	}
}
