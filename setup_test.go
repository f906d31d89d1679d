package autosign

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/acl"
	_ "github.com/coredns/coredns/plugin/any"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/dns64"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/rewrite"
	_ "github.com/coredns/coredns/plugin/root"
	_ "github.com/coredns/coredns/plugin/transfer"
	_ "github.com/coredns/coredns/plugin/view"
	_ "github.com/coredns/coredns/plugin/whoami"
	"github.com/miekg/dns"
)

func init() {
	dnsserver.Quiet = true
	caddy.Quiet = true
	at := slices.Index(dnsserver.Directives, "cache") + 1
	dnsserver.Directives = slices.Insert(dnsserver.Directives, at, name)
}

func TestSetup(t *testing.T) {
	for _, tt := range []struct {
		name, input string
		want        string // in the error; "" for none
	}{
		{"alone", "autosign", ""},
		{"zones", "autosign example.org example.net", ""},
		{"all properties", `autosign example.org {
			keys /var/lib/keys
			new_keys always
			algorithm ED25519
			scheme csk
			csk lifetime 365d
			insecure off
			automatic off
			signatures_validity 30d
			signatures_validity_dnskey 21d
			signatures_refresh 7d
			denial nsec3 optout
			dnskey_ttl 2h
			serial unixtime
			workers 3
			verify full
			strict on
			allow any rewrite
			publish_safety 2h
			retire_safety 2h
			purge_keys never
			zone_propagation_delay 10m
			parent local agents 192.0.2.53 ds_ttl 1h propagation_delay 30m
			cds on
			mass_change 20
		}`, ""},
		{"unknown property", "autosign {\n fancy on\n}", "fancy"},
		{"later work", "autosign {\n api 127.0.0.1:8053\n}", "api"},
		{"algorithm 5", "autosign {\n algorithm RSASHA1\n}", "RSASHA1"},
		{"two faults at once", "autosign {\n serial odd\n denial nsec5\n}", "nsec3"},
		{"lifetime shorter than a roll", "autosign {\n zsk lifetime 5d\n}", "is not more than what a roll takes"},
		{"lifetime of a role that the scheme lacks", "autosign {\n csk lifetime 1000d\n}", "scheme split has no csk"},
		{"parent none and more", "autosign {\n parent none ds_ttl 1d\n}", "none stands alone"},
		{"validity below refresh", "autosign {\n signatures_validity 3d\n}", "signatures_refresh"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := caddy.NewTestController("dns", tt.input)
			c.ServerBlockKeys = []string{"example.org"}
			err := setup(c)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantError(t, err, "plugin/autosign: ", "Testfile:", tt.want)
		})
	}
}

func TestStart_Faults(t *testing.T) {
	zones := map[string]string{"example.org.": orgZone, "sub.example.org.": subZone}
	for _, tt := range []struct {
		name, corefile string
		want           []string
	}{
		{"not served by file", `example.org:0 {
	whoami
	autosign {
		keys DIR
	}
}`, []string{"Corefile:3", "example.org.", "not served by the file plugin"}},
		{"no parent here", `sub.example.org:0 {
	file DIR/sub.example.org.db
	autosign {
		keys DIR
		parent local
	}
}
example.org:0 {
	file DIR/example.org.db
}`, []string{"Corefile:3", "sub.example.org.", "no zone above it is signed by this server"}},
		{"keys in a file", `example.org:0 {
	file DIR/example.org.db
	autosign {
		keys DIR/example.org.db
	}
}`, []string{"Corefile:3", "keys ", "example.org.db is not a directory"}},
		{"keys below a file", `example.org:0 {
	file DIR/example.org.db
	autosign {
		keys DIR/example.org.db/keys/here
	}
}`, []string{"Corefile:3", "keys/here", "example.org.db is not a directory"}},
		{"any in front", `example.org:0 {
	any
	file DIR/example.org.db
	autosign {
		keys DIR
	}
}`, []string{"Corefile:4", "any answers ANY itself", "allow any"}},
		{"rewrite of names and dns64 at once", `example.org:0 {
	rewrite name foo.example.org bar.example.org
	dns64
	file DIR/example.org.db
	autosign {
		keys DIR
	}
}`, []string{"allow rewrite", "allow dns64"}},
		{"twice from two files without a view", `example.org:0 {
	bind 127.0.0.1
	file DIR/example.org.db
	autosign {
		keys DIR
	}
}
example.org:0 {
	bind 127.0.0.2
	file DIR/sub.example.org.db sub.example.org
	file DIR/example.org.db2
	autosign {
		keys DIR
	}
}`, []string{"signed twice"}},
		{"twice with other properties", `example.org:0 {
	bind 127.0.0.1
	file DIR/example.org.db
	autosign {
		keys DIR
	}
}
example.org:0 {
	bind 127.0.0.2
	file DIR/example.org.db
	autosign {
		keys DIR
		serial date
	}
}`, []string{"different properties"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := serve(t, tt.corefile, zones)
			wantError(t, err, tt.want...)
			if n := len(process.instances); n != 0 {
				t.Errorf("%d instances are left", n)
			}
		})
	}
}

func TestStart_AllowedNeighbours(t *testing.T) {
	s, err := serve(t, `example.org:0 {
	any
	rewrite edns0 local set 0xffee 0x61
	acl {
		allow
	}
	file DIR/example.org.db
	autosign {
		keys DIR
		parent none
		allow any
	}
}`, map[string]string{"example.org.": orgZone})
	if err != nil {
		t.Fatal(err)
	}
	s.await(t, 0, "www.example.org.", dns.TypeA, signedFor("example.org."))
}

func TestModified_TheLatestFileCounts(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var files []string
	for n, name := range []string{"Corefile", "policy", "zones"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at.Add(time.Duration(n%2)*time.Hour))); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	if got := modified(files); !got.Equal(at.Add(time.Hour)) {
		t.Errorf("got %s", got)
	}
	if got := modified([]string{filepath.Join(dir, "stdin")}); time.Since(got) > time.Minute {
		t.Errorf("a configuration that is no file is of %s", got)
	}
}
