package autosign

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// dsTags returns the tags in a signed answer to a DS question.
func dsTags(r *dns.Msg) (tags []uint16) {
	for _, rr := range r.Answer {
		if ds, ok := rr.(*dns.DS); ok {
			tags = append(tags, ds.KeyTag)
		}
	}
	slices.Sort(tags)
	return tags
}

// A child and its parent in one server, with a policy of seconds: the DS comes by
// itself, stays in a reload, and follows a KSK that an operator has rolled.
func TestServer_ParentLocal(t *testing.T) {
	zone := func(origin, more string) string {
		return fmt.Sprintf("%[1]s 1 IN SOA ns.%[1]s hostmaster.%[1]s 1 7200 3600 345600 1\n%[1]s 1 IN NS ns.%[1]s\nns.%[1]s 1 IN A 192.0.2.1\n%[2]s", origin, more)
	}
	block := func(origin, parent string) string {
		return strings.NewReplacer("ORIGIN", origin, "PARENT", parent).Replace(`ORIGIN:0 {
	bind 127.0.0.1
	file DIR/ORIGIN.db ORIGIN
	autosign {
		keys DIR/keys
		algorithm ED25519
		zsk lifetime unlimited
		dnskey_ttl 1s
		publish_safety 1s
		retire_safety 1s
		zone_propagation_delay 1s
		parent PARENT
	}
}
`)
	}
	corefile := block("example", "none") + block("child.example", "local ds_ttl 1s propagation_delay 1s")
	s, err := serve(t, corefile, map[string]string{
		"example.":       zone("example.", "child.example. 1 IN NS ns.child.example.\nns.child.example. 1 IN A 192.0.2.1\n"),
		"child.example.": zone("child.example.", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	delegated := func(r *dns.Msg) bool { return len(dsTags(r)) > 0 && signedFor("example.")(r) }
	first := dsTags(s.await(t, 0, "child.example.", dns.TypeDS, delegated))
	next, err := s.Restart(s.input(corefile))
	if err != nil {
		t.Fatal(err)
	}
	s.Instance = next
	if got := dsTags(s.await(t, 0, "child.example.", dns.TypeDS, signedFor("example."))); !slices.Equal(got, first) {
		t.Errorf("after a reload DS %d, want %d", got, first)
	}
	var c Controller
	order := Order{Who: "test", Why: "drill"}
	settled := func() bool {
		st, err := c.Status(t.Context(), "child.example", "")
		return err == nil && len(st.Do) == 0 && len(st.Parent.Wanted) == 1 && st.Parent.Wanted[0].Seen == 1
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !settled(); <-tick.C {
		if time.Now().After(end) {
			st, _ := c.Status(t.Context(), "child.example", "")
			t.Fatalf("not settled:\n%s", st)
		}
	}
	if _, err := c.Roll(t.Context(), "child.example", "", order, policy.KSK, true); err != nil {
		t.Fatal(err)
	}
	s.await(t, 0, "child.example.", dns.TypeDS, func(r *dns.Msg) bool {
		return delegated(r) && !slices.Equal(dsTags(r), first)
	})
	s.await(t, 0, "child.example.", dns.TypeDNSKEY, func(r *dns.Msg) bool { // the old one has gone
		n := 0
		for _, rr := range r.Answer {
			if k, ok := rr.(*dns.DNSKEY); ok && k.Flags&dns.SEP != 0 {
				n++
			}
		}
		return n == 1
	})
}
