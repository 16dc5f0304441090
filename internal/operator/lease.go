// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

const (
	// leaseName is the name of the Lease for leader election, by which other installations see that this one is alive.
	leaseName = "xmppfed-operator"
	// beatInterval is how often the lease is renewed by an operator that takes no part in leader election.
	beatInterval = 10 * time.Second
)

// newLock is the lease for leader election under the identity that the options give.
func newLock(config *rest.Config, options Options) (resourcelock.Interface, error) {
	if options.Identity == "" {
		return nil, fmt.Errorf("a name in leader election is needed; set --identity or POD_NAME")
	}
	clients, err := kubernetes.NewForConfig(rest.AddUserAgent(config, "leader-election"))
	if err != nil {
		return nil, fmt.Errorf("making a client for leader election: %w", err)
	}
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: options.Namespace, Name: leaseName},
		Client:     clients.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: options.Identity},
	}, nil
}

// beat renews the lease until the context ends, in place of leader election. It gives up after so long without success that other
// installations may take this one for gone soon.
func beat(ctx context.Context, lock resourcelock.Interface) error {
	ticker := time.NewTicker(beatInterval)
	defer ticker.Stop()
	for last := time.Now(); ; {
		err := renew(ctx, lock)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			last = time.Now()
		case time.Since(last) > goneAfter/2:
			return fmt.Errorf("renewing lease %s, without which other installations take this one for gone: %w", lock.Describe(), err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func renew(ctx context.Context, lock resourcelock.Interface) error {
	now := metav1.Now()
	record := resourcelock.LeaderElectionRecord{
		HolderIdentity: lock.Identity(), LeaseDurationSeconds: int(2 * beatInterval / time.Second), AcquireTime: now, RenewTime: now,
	}
	before, _, err := lock.Get(ctx)
	if apierrors.IsNotFound(err) {
		return lock.Create(ctx, record)
	}
	if err != nil {
		return err
	}
	record.LeaderTransitions = before.LeaderTransitions
	if before.HolderIdentity == record.HolderIdentity {
		record.AcquireTime = before.AcquireTime
	} else {
		record.LeaderTransitions++
	}
	return lock.Update(ctx, record)
}
