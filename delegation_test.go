package autosign

import (
	"net"
	"testing"

	"github.com/miekg/dns"
)

// A reload that fails late has put its zones in the places of ours already.
func TestDS_AfterAFailedReload(t *testing.T) {
	corefile := `example.org:0 sub.example.org:0 {
	file DIR/example.org.db example.org
	file DIR/sub.example.org.db sub.example.org
	autosign {
		keys DIR/keys
		parent none
	}
}`
	s, err := serve(t, corefile, map[string]string{"example.org.": orgZone, "sub.example.org.": subZone})
	if err != nil {
		t.Fatal(err)
	}
	s.await(t, 0, "sub.example.org.", dns.TypeDS, signedFor("example.org."))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for what, block := range map[string]string{
		"a port that is taken": "example.net:" + port + " {\n bind 127.0.0.1\n whoami\n}",
		"a zone without file":  "example.net:0 {\n autosign {\n keys DIR/keys\n }\n}",
	} {
		if _, err := s.Restart(s.input(corefile + "\n" + block)); err == nil {
			t.Fatalf("%s: the Corefile was taken", what)
		}
		if r := s.ask(t, 0, "sub.example.org.", dns.TypeDS); !signedFor("example.org.")(r) {
			t.Errorf("%s: after the failed reload the child answers for its parent:\n%v", what, r)
		}
	}
}

func TestAbove_ADSQuestionDoesNotGoToAShorterZone(t *testing.T) {
	at := func(origin string) *signer {
		wire, _ := appendWire(nil, origin)
		return &signer{origin: wire}
	}
	for _, c := range []struct {
		p, s string
		want bool
	}{
		{".", "sub.example.org.", true}, // the name is the block's own zone: the parent has its DS
		{"example.org.", "org.", true},  // the block is the grandparent's
		{"org.", "example.org.", false}, // the block's zone is nearer
		{"example.org.", "example.org.", true},
	} {
		name, _ := appendWire(nil, "sub.example.org.")
		if got := above(at(c.p), at(c.s), name); got != c.want {
			t.Errorf("%s before %s: %v", c.p, c.s, got)
		}
	}
}
