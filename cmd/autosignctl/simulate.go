package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/simulate"
)

const simulateHelp = `Usage: autosignctl simulate [FLAGS]

Runs the keys of a zone through years of made-up time, by the same rules as the
server, tells every step with its reason, and judges all of it: a model of the
worst resolver caches there can be looks for any instant at which some mix of
cached DS, DNSKEY and signatures would not validate. Such instants are listed,
and the exit status is 1; it is 2 if nothing was simulated.

The policy is that of a Corefile (-corefile, and -zone if there are several
zones), changed by flags, or the default one, changed by flags. Every property
of a Corefile can be given with -set:

  autosignctl simulate -set "zsk lifetime 30d" -set "scheme csk" -for 5y

Things happen with -event "AFTER WHAT...", as often as wanted:

  30d roll ksk          roll zsk, roll csk     a roll that an operator asks for
  30d emergency zsk                            the same, without safety margins
  30d hold 10d                                 nothing may move for ten days
  30d delete ksk 5d                            its retirement may begin five days later
  30d remove ksk                               old keys of which nothing is left are removed for good
  30d unused ksk 20d                           the key is DNSKEY only for twenty days
  30d confirm                                  the operator says which DS are there and which are gone
  30d anchors                                  validators are given the trust anchors (parent none)
  30d set scheme csk                           the policy changes: any property of a Corefile
  30d insecure          30d secure             the zone leaves DNSSEC, and comes back
  30d zone-ttl 1h       30d ds-ttl 2d          TTLs change
  30d jump 2h           30d jump -2h           the clock is set
  30d stop 5d                                  the process is down; secondaries go on
  30d store 1d          publish 1d  keys 1d    storing, publishing, making keys fails
  30d idle 20d                                 the parent takes up nothing
  30d blind 3d                                 the parent's servers do not answer us

Durations are those of a Corefile, and years: 90m, 36h, 14d, 2w, 10y.

Flags:
`

// simulateFlags are the flags of simulate.
type simulateFlags struct {
	*flag.FlagSet
	corefile, zone, story string
	set, events           list
	length, zoneTTL       duration
	delay, spread, look   duration
	servers, replicas     int
	seed                  uint64
	exact                 bool
	format, file          string
}

func newSimulateFlags(errs io.Writer) *simulateFlags {
	f := &simulateFlags{FlagSet: flag.NewFlagSet("simulate", flag.ContinueOnError)}
	f.SetOutput(errs)
	f.Usage = func() {
		fmt.Fprint(f.Output(), simulateHelp)
		f.PrintDefaults()
	}
	f.length, f.zoneTTL, f.look = duration(10*year), duration(24*time.Hour), duration(time.Hour)
	f.delay, f.spread = duration(24*time.Hour), duration(2*time.Hour)
	f.StringVar(&f.corefile, "corefile", "", "`FILE` whose policy is simulated")
	f.StringVar(&f.zone, "zone", "", "`NAME` of the zone (default example.org., or the only one of the Corefile)")
	f.StringVar(&f.story, "story", "", "one rollover with the default policy, in days: "+strings.Join(simulate.Stories(), ", "))
	f.Var(&f.set, "set", "`PROPERTY` of the policy, as in a Corefile; may be given again")
	for _, p := range properties {
		f.Var(&property{words: p.words, to: &f.set}, p.flag, "the same as -set \""+p.words+" `VALUE`\"")
	}
	f.Var(&f.events, "event", "`\"AFTER WHAT...\"` that happens, see above; may be given again")
	f.Var(&f.length, "for", "how long")
	f.Var(&f.zoneTTL, "zone-ttl", "longest TTL of the zone but for its DNSKEY set")
	f.Var(&f.delay, "parent-delay", "how late the parent may take up a new DS")
	f.Var(&f.spread, "parent-spread", "how much later each of its servers may have it")
	f.Var(&f.look, "parent-look", "how often the parent's servers are asked")
	f.IntVar(&f.servers, "parent-servers", 3, "`NUMBER` of the parent's servers")
	f.BoolVar(&f.exact, "exact", false, "delays of the parent are exactly so long, nothing is left to chance")
	f.IntVar(&f.replicas, "replicas", 1, "`NUMBER` of processes that sign the zone over one store")
	f.Uint64Var(&f.seed, "seed", 1, "`NUMBER` from which chance begins: the same gives the same")
	f.StringVar(&f.format, "format", "text", "text, json or svg")
	f.StringVar(&f.file, "o", "", "`FILE` to be written (default: standard output)")
	return f
}

// simulateCommand is autosignctl simulate.
func simulateCommand(args []string, out, errs io.Writer) (int, error) {
	f := newSimulateFlags(errs)
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return statusFine, err
	} else if err != nil {
		return statusUsage, nil // it was told
	}
	if f.NArg() > 0 {
		return statusUsage, fmt.Errorf("%q is no flag", f.Arg(0))
	}
	setup, title, err := f.setup(errs)
	if err != nil {
		return statusUsage, err
	}
	h := simulate.Run(setup)
	text, err := render(h, f.format, title)
	if err != nil {
		return statusUsage, err
	}
	if err := write(f.file, text, out); err != nil {
		return statusUsage, err
	}
	if len(h.Bogus) > 0 {
		return statusFound, fmt.Errorf("%d bogus instants, the first at %s: %s",
			len(h.Bogus), h.Bogus[0].At.Format(time.RFC3339), h.Bogus[0].Mix)
	}
	return statusFine, nil
}

// setup is what the flags say together, and a title for it.
func (f *simulateFlags) setup(errs io.Writer) (simulate.Setup, string, error) {
	if f.story != "" {
		if n := f.NFlag(); n > f.given("story", "format", "o") {
			return simulate.Setup{}, "", fmt.Errorf("-story goes with -format and -o alone")
		}
		return simulate.Story(f.story)
	}
	switch f.format { // known before years are simulated
	case "text", "json", "svg":
	default:
		return simulate.Setup{}, "", unknownFormat(f.format)
	}
	if f.length <= 0 || f.servers < 1 || f.replicas < 1 {
		return simulate.Setup{}, "", fmt.Errorf("-for, -parent-servers and -replicas are more than 0")
	}
	o, warnings, err := f.options()
	for _, w := range warnings {
		fmt.Fprintf(errs, "warning: %s\n", w)
	}
	if err != nil {
		return simulate.Setup{}, "", err
	}
	s := simulate.Setup{
		Zone: o.Zones[0], Policy: o.Policy, For: time.Duration(f.length), Seed: f.seed, Replicas: f.replicas,
		ZoneTTL: uint32(time.Duration(f.zoneTTL) / time.Second),
		Parent: simulate.Parent{
			Servers: f.servers, Delay: time.Duration(f.delay), Spread: time.Duration(f.spread),
			Look: time.Duration(f.look), Fixed: f.exact,
		},
	}
	if s.Events, err = f.happenings(o.Policy); err != nil {
		return simulate.Setup{}, "", err
	}
	return s, fmt.Sprintf("%s, %s", o.Zones[0], f.length), nil
}

// given counts which of some flags were given.
func (f *simulateFlags) given(names ...string) (n int) {
	f.Visit(func(g *flag.Flag) {
		for _, name := range names {
			if g.Name == name {
				n++
			}
		}
	})
	return n
}

func unknownFormat(format string) error {
	return fmt.Errorf("format %q is unknown; text, json and svg are known", format)
}

// render writes a history in a format.
func render(h *simulate.History, format, title string) (string, error) {
	switch format {
	case "text":
		return h.Text(), nil
	case "json":
		text, err := json.MarshalIndent(h, "", "  ")
		return string(text) + "\n", err
	case "svg":
		return h.SVG(title), nil
	}
	return "", unknownFormat(format)
}

// write writes to a file, or where a program writes.
func write(file, text string, out io.Writer) error {
	if file == "" {
		_, err := io.WriteString(out, text)
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}
