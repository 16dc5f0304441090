// SPDX-License-Identifier: Apache-2.0

package apply

import "testing"

func TestWhatIsWantedIsCoveredByAllThatHasItAndNothingElseInItsLists(t *testing.T) {
	type object = map[string]any
	wanted := object{"spec": object{"type": "LoadBalancer", "ports": []any{object{"name": "s2s", "port": int64(5269)}}}}
	port := func(extra ...any) object {
		return object{"spec": object{
			"type": "LoadBalancer", "clusterIP": "10.64.0.7",
			"ports": append([]any{object{"name": "s2s", "port": int64(5269), "nodePort": int64(30000)}}, extra...),
		}}
	}
	for name, test := range map[string]struct {
		found object
		want  bool
	}{
		"it is the same":           {wanted, true},
		"others added fields":      {port(), true},
		"others added an element":  {port(object{"name": "web", "port": int64(80)}), false},
		"a value differs":          {object{"spec": object{"type": "ClusterIP", "ports": wanted["spec"].(object)["ports"]}}, false},
		"a field is gone":          {object{"spec": object{"ports": wanted["spec"].(object)["ports"]}}, false},
		"a list is gone":           {object{"spec": object{"type": "LoadBalancer"}}, false},
		"another type of value":    {object{"spec": "LoadBalancer"}, false},
		"nothing at all was found": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := covers(test.found, wanted); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
