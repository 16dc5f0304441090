// SPDX-License-Identifier: Apache-2.0

package model

import (
	"testing"
	"testing/synctest"
	"time"
)

// The client that the operator has in earnest reads Secrets and ConfigMaps from the API server, and must read their metadata, which
// each probe of a zone looks at, from the cache.
func TestPace_ZonesAtRestReadNothingFromTheAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := newWorld()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.startOperator(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := w.kill(); err != nil {
				t.Error(err)
			}
		}()
		if err := w.settle(); err != nil {
			t.Fatal(err)
		}
		before, _ := w.kube.Requests()
		time.Sleep(time.Hour) // of the bubble, which passes at once
		synctest.Wait()
		after, _ := w.kube.Requests()
		for resource, n := range after {
			if n > before[resource] {
				t.Errorf("%d reads of %s in an hour", n-before[resource], resource)
			}
		}
	})
}
