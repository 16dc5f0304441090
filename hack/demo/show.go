// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// show prints what an administrator would look at.
func show(ctx context.Context, fed *v1alpha1.Federation) error {
	heading("Conditions")
	for _, c := range fed.Status.Conditions {
		fmt.Printf("%-17s %-6s %-14s %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	heading("Records, asked for from outside: hack/lab/lab exec internet -- dig")
	for _, record := range fed.Status.Records {
		data, err := lab.Run(ctx, "exec", "internet", "--", "dig", "+short", record.Type, record.Name)
		if err != nil {
			return err
		}
		fmt.Printf("%-45s %5d %-4s %s\n", record.Name, record.TTL, record.Type, data)
	}
	heading("hack/lab/lab kubectl -n " + fed.Namespace + " get federation " + fed.Name)
	table, err := lab.Run(ctx, "kubectl", "-n", fed.Namespace, "get", "federation", fed.Name)
	fmt.Println(table)
	return err
}
