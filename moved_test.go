package autosign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestReload_OtherKeysDirectory: a reload that names another directory for the
// keys takes no zone out of service and makes no other keys for it; one that names
// what is no directory is refused. With a copy of the old directory the zone goes
// on as it was.
func TestReload_OtherKeysDirectory(t *testing.T) {
	corefile := `example.org:0 {
	file DIR/example.org.db
	autosign {
		keys DIR/keys
		parent none
	}
}`
	s, err := serve(t, corefile, map[string]string{"example.org.": orgZone})
	if err != nil {
		t.Fatal(err)
	}
	first := s.await(t, 0, "example.org.", dns.TypeDNSKEY, signedFor("example.org."))
	process.instances[0].signers[identity{"example.org.", ""}].saver.wait()
	if err := os.CopyFS(filepath.Join(s.dir, "copy"), os.DirFS(filepath.Join(s.dir, "keys"))); err != nil {
		t.Fatal(err)
	}
	private, _ := filepath.Glob(filepath.Join(s.dir, "copy", "*.private"))
	for _, name := range private {
		if err := os.Chmod(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"empty", "example.org.db", "copy"} {
		next, err := s.Restart(s.input(strings.Replace(corefile, "DIR/keys", "DIR/"+dir, 1)))
		if (err == nil) != (dir != "example.org.db") {
			t.Fatal(err)
		}
		if err == nil {
			s.Instance = next
		}
		sig := process.instances[0].signers[identity{"example.org.", ""}]
		if err := sig.Sign(t.Context()); (err == nil) != (dir == "copy") {
			t.Errorf("with keys in %s: %v", dir, err)
		}
		r := s.ask(t, 0, "example.org.", dns.TypeDNSKEY)
		if !signedFor("example.org.")(r) || len(r.Answer) != len(first.Answer) {
			t.Fatalf("with keys in %s the answer is\n%v", dir, r)
		}
		for i, rr := range r.Answer {
			if rr.String() != first.Answer[i].String() {
				t.Errorf("with keys in %s: %s, before it was %s", dir, rr, first.Answer[i])
			}
		}
		if _, err := os.Stat(filepath.Join(s.dir, "empty")); err == nil {
			t.Error("keys were made")
		}
	}
}
