// SPDX-License-Identifier: Apache-2.0

// Command demo watches the Federation of config/samples become ready in the lab, has its user talk with one of
// gmail.com, and shows what an administrator would look at. It exits with 1 and the reason when something does not work.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

const (
	// readyWithin bounds the way from the manifests to a domain that federates.
	readyWithin = 3 * time.Minute
	talkWithin  = time.Minute
)

// federation of config/samples.
var federation = client.ObjectKey{Namespace: "chat", Name: "cup"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cluster, err := lab.NewClient()
	if err != nil {
		return err
	}
	heading("Waiting for Federation " + federation.String())
	fed, err := await(ctx, cluster, v1alpha1.ConditionReady)
	if err != nil {
		return err
	}
	heading("cupuser1@cupdomain.com and jdoe1@gmail.com get to know each other")
	if err := talk(ctx, cluster, fed); err != nil {
		return err
	}
	heading("Streams between the servers, as the Prosody of cupdomain.com lists them")
	table, err := lab.ProsodySessions(ctx, federation.Namespace, federation.Name+"-0")
	if err != nil {
		return err
	}
	fmt.Println(table)
	if err := lab.CheckSessions(table, "cupdomain.com", "gmail.com"); err != nil {
		return err
	}
	heading("Waiting for the operator to have reached the partner as well")
	if fed, err = await(ctx, cluster, v1alpha1.ConditionPeersReachable); err != nil {
		return err
	}
	return show(ctx, fed)
}

func heading(text string) { fmt.Printf("\n== %s\n", text) }

// await waits for a condition to be true and prints what is being waited for whenever that changes.
func await(ctx context.Context, cluster client.WithWatch, condition string) (*v1alpha1.Federation, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	began := time.Now()
	changes, err := cluster.Watch(ctx, &v1alpha1.FederationList{}, client.InNamespace(federation.Namespace),
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", federation.Name)})
	if err != nil {
		return nil, fmt.Errorf("watching Federation %s: %w", federation, err)
	}
	defer changes.Stop()
	last := "the operator did not look at it"
	for change := range changes.ResultChan() {
		fed, ok := change.Object.(*v1alpha1.Federation)
		if !ok {
			continue
		}
		current := meta.FindStatusCondition(fed.Status.Conditions, condition)
		if current == nil || current.ObservedGeneration != fed.Generation {
			continue
		}
		if text := current.Reason + ": " + current.Message; text != last {
			fmt.Printf("%6.1f s  %s\n", time.Since(began).Seconds(), text)
			last = text
		}
		if current.Status == metav1.ConditionTrue {
			return fed, nil
		}
	}
	return nil, fmt.Errorf("waiting for %s of Federation %s: not true after %s: %s", condition, federation, readyWithin, last)
}

func talk(ctx context.Context, cluster client.Client, fed *v1alpha1.Federation) error {
	ctx, cancel := context.WithTimeout(ctx, talkWithin)
	defer cancel()
	ours, err := conversation.AccountOf(ctx, cluster, fed, "cupuser1")
	if err != nil {
		return err
	}
	cupuser1, err := conversation.Login(ctx, ours)
	if err != nil {
		return err
	}
	defer cupuser1.Close()
	jdoe1, err := conversation.Login(ctx, conversation.Partner)
	if err != nil {
		return err
	}
	defer jdoe1.Close()
	return conversation.Hold(ctx, cupuser1, jdoe1, os.Stdout)
}
