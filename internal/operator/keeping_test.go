// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

// What an installation needs is looked after as long as it works, not only when it starts.
func TestInstallation_WhileItWorksItKeepsItsKeyUntilAnotherCameFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFake(t).WithObjects(kubeSystem(), federationsCRD()).Build()
		this, other := install(c, operatorNamespace), install(c, "other")
		if !this.await(t.Context()) {
			t.Fatal("it does not work")
		}
		ended := make(chan error, 1)
		go func() { ended <- this.Start(t.Context()) }()
		for range 2 {
			synctest.Wait()
			damage(t, c, nil)
			time.Sleep(keepInterval + time.Second) // in the synctest bubble, where it takes no time
			if got := readSecret(t, c).Data; !reflect.DeepEqual(got, this.known.data) {
				t.Errorf("the Secret has %v, want the key that is in use", got)
			}
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		default:
		}

		t.Log("another installation takes this one for gone")
		if err := other.beats.begin(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
		crd, standing, err := readClaims(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := writeClaims(t.Context(), c, crd, standing, []claim{{Namespace: "other", Key: this.known.prints[0]}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(keepInterval + time.Second)
		synctest.Wait()
		select {
		case err := <-ended:
			if reasonOf(err) != "InstallationStandsBy" {
				t.Errorf("it ended with %v", err)
			}
		default:
			t.Fatal("it works beside the other")
		}
	})
}
