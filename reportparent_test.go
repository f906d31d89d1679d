package autosign

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
)

// What a look brings is told when it is new.
func TestReport_TellsWhatIsNew(t *testing.T) {
	k, _ := key.New(policy.KSK, policy.ED25519, newPublic(t))
	origin := []byte("\x07example\x03org\x00")
	rd, _ := k.DS(origin, key.SHA256)
	ours := parent.DS{KeyTag: k.Tag, Algorithm: uint8(k.Algorithm), DigestType: key.SHA256, Digest: rd[4:]}
	other := parent.DS{KeyTag: k.Tag + 1, Algorithm: 13, DigestType: 2, Digest: make([]byte, 32)}
	var told []string
	w := &watch{zone: "example.org.", origin: origin, policy: policy.Default(), now: time.Now, keys: map[string]key.Key{"K": k},
		tell: func(e event.Event) { e.Next = time.Time{}; told = append(told, e.String()) }, wake: func() {}}
	look := func(a, b []parent.DS, bErr error) parent.Look {
		return parent.Look{Zone: "org.", Servers: []parent.Server{{Name: "a.", DS: a}, {Name: "b.", DS: b, Err: bErr}}}
	}
	tag := fmt.Sprint(k.Tag)
	for _, c := range []struct {
		name string
		look parent.Look
		err  error
		want []string
	}{
		{"nothing there", look(nil, nil, nil), nil, nil},
		{"at one", look([]parent.DS{ours}, nil, nil), nil,
			[]string{" DS at the parent K (tag " + tag + ") from at 0 of 2 servers to at 1 of 2 servers: of org."}},
		{"the same again", look([]parent.DS{ours}, nil, nil), nil, nil},
		{"one silent", look([]parent.DS{ours}, nil, errors.New("no answer")), nil, []string{
			" DS at the parent K (tag " + tag + ") from at 1 of 2 servers to at 1 of 2 servers, 1 silent: of org.",
			" parent unclear: server b. of org.: no answer"}},
		{"still silent", look([]parent.DS{ours}, nil, errors.New("no answer")), nil, nil},
		{"at both, with another", look([]parent.DS{ours, other}, []parent.DS{ours}, nil), nil,
			[]string{fmt.Sprintf(" DS of no key of the zone at the parent example.org. IN DS %d: it is of a key elsewhere, "+
				"or of one that is no more; have the parent take it away if nobody needs it", other.KeyTag)}},
		{"another alone", look([]parent.DS{other}, nil, nil), nil, []string{
			" DS at the parent K (tag " + tag + ") from at 2 of 2 servers to at 0 of 2 servers: of org.",
			fmt.Sprintf(" no DS at the parent leads to the zone example.org. IN DS %d: validators find the zone bogus; "+
				"put back the keys that these records are of, or the DS records of the keys here", other.KeyTag)}},
		{"another alone, again", look([]parent.DS{other}, nil, nil), nil, nil},
		{"nobody", parent.Look{}, parent.ErrUnreachable, []string{" parent unclear: no usable answer"}},
		{"nobody again", parent.Look{}, parent.ErrUnreachable, nil},
	} {
		told = nil
		w.take(c.look, c.err)
		if !slices.Equal(told, c.want) {
			t.Errorf("%s: told\n%q, want\n%q", c.name, told, c.want)
		}
	}
}

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
