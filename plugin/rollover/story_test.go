package rollover

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

var rewrite = flag.Bool("rewrite", false, "write what the stories come to into testdata, to be reviewed as a diff")

// TestStories tells the stories of testdata: commands, a line of dashes, and
// what came of them.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, string(data))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(data) {
				t.Errorf("the story goes otherwise:\n%s", got)
			}
		})
	}
}

// tell carries out a story. Paragraphs are commands up to a line of dashes; what
// follows up to an empty line is written anew.
func tell(t *testing.T, text string) string {
	t.Helper()
	w := newWorld()
	var out []string
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		out = append(out, line)
		if line != "----" {
			if words := strings.Fields(line); len(words) > 0 && words[0] != "#" {
				if err := w.command(words); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
			}
			continue
		}
		for i+1 < len(lines) && lines[i+1] != "" {
			i++
		}
		if len(w.log) == 0 {
			out = append(out, "nothing")
		}
		out = append(out, w.log...)
		w.log = nil
	}
	return strings.Join(out, "\n") + "\n"
}

// command carries out one line of a story.
func (w *world) command(words []string) error {
	args := words[1:]
	switch words[0] {
	case "policy":
		return w.policy(args)
	case "run":
		d, err := policy.ParseDuration(args[0])
		w.run(d)
		return err
	case "explain":
		w.log = append(w.log, w.explain()...)
	case "quietly": // what came so far is known
		w.log = nil
	case "roll":
		role, err := policy.ParseRole(args[0])
		w.set.Requests = append(w.set.Requests, Request{Role: role, Emergency: slices.Contains(args, "emergency"), At: w.now})
		return err
	case "retire":
		w.set.Key(args[0]).Retire = w.now
	case "delete": // delete KEY in D
		d, err := policy.ParseDuration(args[2])
		if err == nil {
			_, err = w.set.ScheduleDeletion(w.order(), args[0], w.now.Add(d))
		}
		return err
	case "dnskey-only": // dnskey-only KEY on|off
		_, err := w.set.DNSKEYOnly(w.order(), args[0], args[1] == "on")
		return err
	case "standby": // a key that an operator has had published
		role, err := policy.ParseRole(args[0])
		w.standby(role, false)
		return err
	case "foreign": // a key of another signer
		role, err := policy.ParseRole(args[0])
		w.standby(role, true)
		return err
	case "hold":
		w.set.Hold = &Hold{Since: w.now, Why: strings.Join(args, " ")}
	case "resume":
		w.set.Hold = nil
	case "confirm":
		k := w.set.Key(args[0])
		k.DSSeen, k.DSGone, k.ByHand = time.Time{}, time.Time{}, true
		*map[string]*time.Time{"seen": &k.DSSeen, "gone": &k.DSGone}[args[1]] = w.now
	case "freeze":
		w.freeze = strings.Join(args, " ")
	case "serves":
		w.mute = args[0] == "not"
	case "clock":
		d, err := policy.ParseDuration(args[1])
		w.now = w.now.Add(map[string]time.Duration{"back": -d, "ahead": d}[args[0]])
		return err
	case "ttl":
		d, err := policy.ParseDuration(args[0])
		w.maxTTL = uint32(d / time.Second)
		return err
	case "parent":
		return w.parentCommand(args)
	default:
		return fmt.Errorf("no such command")
	}
	return nil
}

// standby publishes a key that is not used.
func (w *world) standby(role policy.Role, foreign bool) {
	w.made++
	k := Key{ID: fmt.Sprintf("%s-%d", role, w.made), Role: role, Algorithm: w.p.Algorithm, Tag: uint16(w.made), Created: w.now, Foreign: foreign}
	k.Records[DNSKEY].Goal = Omnipresent
	w.set.Keys = append(w.set.Keys, k)
}

// parentCommand is what happens at the parent.
func (w *world) parentCommand(args []string) error {
	switch args[0] {
	case "ignores":
		w.ignores = true
	case "follows":
		w.ignores = false
	case "server": // parent server NAME down|up|delay D|has KEY...
		for _, s := range w.servers {
			if s.name == args[1] {
				return s.command(args[2:], w.now)
			}
		}
		return fmt.Errorf("no such server")
	case "ttl":
		d, err := policy.ParseDuration(args[1])
		w.p.DSTTL = d
		return err
	default:
		return fmt.Errorf("no such command")
	}
	return nil
}

func (s *server) command(args []string, now time.Time) error {
	switch args[0] {
	case "down", "up":
		s.down = args[0] == "down"
	case "has":
		s.want, s.at = append([]string{}, args[1:]...), now
	case "delay":
		d, err := policy.ParseDuration(args[1])
		s.delay = d
		return err
	default:
		return fmt.Errorf("no such command")
	}
	return nil
}

// policy sets a value as it is written in a Corefile.
func (w *world) policy(args []string) (err error) {
	duration := func(d *time.Duration) { *d, err = policy.ParseDuration(args[1]) }
	switch args[0] {
	case "algorithm":
		w.p.Algorithm, err = policy.ParseAlgorithm(args[1])
	case "scheme":
		w.p.Scheme, err = policy.ParseScheme(args[1])
	case "ksk_lifetime":
		duration(&w.p.KSKLifetime)
	case "zsk_lifetime":
		duration(&w.p.ZSKLifetime)
	case "csk_lifetime":
		duration(&w.p.CSKLifetime)
	case "purge_keys":
		duration(&w.p.PurgeKeys)
	case "insecure":
		w.p.Insecure = args[1] == "on"
	case "parent":
		w.p.NoParent = args[1] == "none"
	case "bits":
		w.p.ZSKBits, err = strconv.Atoi(args[1])
		w.p.KSKBits = w.p.ZSKBits
	default:
		err = fmt.Errorf("no such property")
	}
	return err
}
