package autosign

import (
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
)

// Agents that are resolvers are believed, and it is said once what that means:
// not again after they were silent, or when the Corefile was reloaded.
func TestReport_AgentsThatAreResolvers(t *testing.T) {
	var told []string
	newWatch := func() *watch {
		return &watch{zone: "example.org.", policy: policy.Default(), now: time.Now, wake: func() {},
			tell: func(e event.Event) {
				if e.Kind == event.Warned {
					told = append(told, e.Why)
				}
			}}
	}
	cached := func(name string) parent.Server { return parent.Server{Name: name, Resolver: true} }
	silent := parent.Server{Name: "192.0.2.1:53", Err: parent.ErrUnreachable}
	w := newWatch()
	for _, c := range []struct {
		name    string
		servers []parent.Server
		want    string
	}{
		{"servers of the parent", []parent.Server{{Name: "192.0.2.1:53"}}, ""},
		{"a resolver", []parent.Server{cached("192.0.2.1:53"), {Name: "192.0.2.2:53"}}, "192.0.2.1:53 answer"},
		{"the same again", []parent.Server{cached("192.0.2.1:53")}, ""},
		{"it is silent", []parent.Server{silent}, ""},
		{"it is back", []parent.Server{cached("192.0.2.1:53")}, ""},
		{"two more", []parent.Server{cached("192.0.2.1:53"), cached("192.0.2.3:53"), cached("192.0.2.4:53")}, "192.0.2.3:53, 192.0.2.4:53 answer"},
	} {
		told = nil
		w.take(parent.Look{Zone: "org.", Servers: c.servers}, nil)
		got := strings.Join(told, "; ")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) || got != "" && !strings.Contains(got, "ds_ttl (1d) has to be the parent's") {
			t.Errorf("%s: told %q, want %q", c.name, got, c.want)
		}
		next := newWatch()
		next.takeOver(w)
		w = next
	}
}
