package corefile

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/caddy/caddyfile"
	_ "github.com/coredns/coredns/core/dnsserver" // the server type knows the plugins

	"github.com/autosign-dns/autosign/plugin/policy"
)

func controller(input string, block ...string) *caddy.Controller {
	c := caddy.NewTestController("dns", input)
	c.ServerBlockKeys = block
	return c
}

const day = 24 * time.Hour

func TestParse_Good(t *testing.T) {
	tests := []struct {
		name   string
		input  string
		zones  []string
		keys   string
		change func(p *policy.Policy)
	}{
		{"Alone", "autosign", []string{"example.org."}, "keys", nil},
		{"EmptyBlock", "autosign {\n}", []string{"example.org."}, "keys", nil},
		{"Zones", "autosign Sub.Example.ORG example.org", []string{"sub.example.org.", "example.org."}, "keys", nil},
		{"ZonesAndBlock", "autosign example.org {\n keys /var/lib/keys\n}", []string{"example.org."}, "/var/lib/keys", nil},
		{"Algorithm", "autosign {\n algorithm ED25519\n}", nil, "", func(p *policy.Policy) { p.Algorithm, p.AlgorithmGiven = policy.ED25519, true }},
		{"AlgorithmByNumber", "autosign {\n algorithm 14\n}", nil, "", func(p *policy.Policy) { p.Algorithm, p.AlgorithmGiven = policy.ECDSAP384SHA384, true }},
		{"DefaultAlgorithmIsGivenToo", "autosign {\n algorithm 13\n scheme split\n}", nil, "", func(p *policy.Policy) { p.AlgorithmGiven, p.SchemeGiven = true, true }},
		{"RSA", "autosign {\n algorithm RSASHA256\n ksk bits 4096\n zsk bits 1024\n}", nil, "", func(p *policy.Policy) {
			p.Algorithm, p.AlgorithmGiven, p.KSKBits, p.ZSKBits = policy.RSASHA256, true, 4096, 1024
		}},
		{"CSK", "autosign {\n csk bits 2048\n scheme csk\n algorithm RSASHA512\n}", nil, "", func(p *policy.Policy) {
			p.Algorithm, p.Scheme, p.CSKBits, p.AlgorithmGiven, p.SchemeGiven = policy.RSASHA512, policy.SchemeCSK, 2048, true, true
		}},
		{"Lifetimes", "autosign {\n ksk lifetime 1000d\n zsk lifetime unlimited\n}", nil, "", func(p *policy.Policy) {
			p.KSKLifetime, p.ZSKLifetime = 1000*day, 0
		}},
		{"LifetimeAndBitsInAnyOrder", "autosign {\n algorithm RSASHA256\n ksk bits 4096 lifetime 52w\n zsk lifetime 30d bits 1536\n}", nil, "", func(p *policy.Policy) {
			p.Algorithm, p.AlgorithmGiven = policy.RSASHA256, true
			p.KSKLifetime, p.KSKBits, p.ZSKLifetime, p.ZSKBits = 364*day, 4096, 30*day, 1536
		}},
		{"LifetimeOfACSK", "autosign {\n scheme csk\n csk lifetime 365d\n}", nil, "", func(p *policy.Policy) {
			p.Scheme, p.SchemeGiven, p.CSKLifetime = policy.SchemeCSK, true, 365*day
		}},
		{"Delays", "autosign {\n publish_safety 2h\n retire_safety 1s\n purge_keys 100000d\n zone_propagation_delay 90s\n}", nil, "", func(p *policy.Policy) {
			p.PublishSafety, p.RetireSafety, p.PurgeKeys, p.ZonePropagation = 2*time.Hour, time.Second, 100000*day, 90*time.Second
		}},
		{"PurgeNever", "autosign {\n purge_keys never\n}", nil, "", func(p *policy.Policy) { p.PurgeKeys = 0 }},
		{"PurgeZeroIsNever", "autosign {\n purge_keys 0s\n}", nil, "", func(p *policy.Policy) { p.PurgeKeys = 0 }},
		{"CDSOff", "autosign {\n cds off\n}", nil, "", func(p *policy.Policy) { p.CDS = false }},
		{"Insecure", "autosign {\n insecure on\n}", nil, "", func(p *policy.Policy) { p.Insecure = true }},
		{"Times", "autosign {\n signatures_validity 4w\n signatures_validity_dnskey 21d\n signatures_refresh 1w1d12h\n dnskey_ttl 90m\n}", nil, "",
			func(p *policy.Policy) {
				p.Validity, p.ValidityDNSKEY, p.Refresh, p.DNSKEYTTL = 28*day, 21*day, 8*day+12*time.Hour, 5400
			}},
		{"NSEC", "autosign {\n denial nsec\n}", nil, "", nil},
		{"NSEC3", "autosign {\n denial nsec3\n}", nil, "", func(p *policy.Policy) { p.Denial = policy.Denial{NSEC3: true} }},
		{"NSEC3OptOut", "autosign {\n denial nsec3 salt_length 0 optout iterations 0\n}", nil, "",
			func(p *policy.Policy) { p.Denial = policy.Denial{NSEC3: true, OptOut: true} }},
		{"Words", "autosign {\n new_keys never\n serial unixtime\n verify full\n automatic off\n strict on\n workers 3\n}", nil, "",
			func(p *policy.Policy) {
				p.NewKeys, p.Serial, p.Verify, p.Automatic, p.Strict, p.Workers = policy.Never, policy.SerialUnixTime, policy.VerifyFull, false, true, 3
			}},
		{"ParentNone", "autosign {\n parent none\n}", nil, "", func(p *policy.Policy) { p.NoParent = true }},
		{"ParentAgents", "autosign {\n parent agents 192.0.2.1 192.0.2.2:5353 2001:db8::1 [2001:db8::2]:5353\n}", nil, "",
			func(p *policy.Policy) {
				p.ParentAgents = []string{"192.0.2.1:53", "192.0.2.2:5353", "[2001:db8::1]:53", "[2001:db8::2]:5353"}
			}},
		{"ParentLocal", "autosign {\n parent local\n}", nil, "", func(p *policy.Policy) { p.ParentLocal = true }},
		{"ParentTimes", "autosign {\n parent propagation_delay 10m ds_ttl 2d\n}", nil, "",
			func(p *policy.Policy) { p.DSTTL, p.ParentPropagation = 2*day, 10*time.Minute }},
		{"ParentWordsInAnyOrder", "autosign {\n parent ds_ttl 2s agents 192.0.2.1 192.0.2.2 local propagation_delay 1s\n}", nil, "",
			func(p *policy.Policy) {
				p.ParentLocal, p.ParentAgents = true, []string{"192.0.2.1:53", "192.0.2.2:53"}
				p.DSTTL, p.ParentPropagation = 2*time.Second, time.Second
			}},
		{"Allow", "autosign {\n allow rewrite dns64\n}", nil, "", func(p *policy.Policy) { p.Allow = []string{"rewrite", "dns64"} }},
		{"MassChange", "autosign {\n mass_change 10\n}", nil, "", func(p *policy.Policy) { p.MassChange = 10 }},
		{"MassChangeOff", "autosign {\n mass_change off\n}", nil, "", func(p *policy.Policy) { p.MassChange = 0 }},
		{"QuotedKeys", "autosign {\n keys \"/a b/keys\"\n}", nil, "/a b/keys", nil},
		{"BraceOnTheLine", "autosign {\n workers 2 }", nil, "", func(p *policy.Policy) { p.Workers = 2 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := Options{Zones: test.zones, Keys: test.keys, Policy: policy.Default(), File: "Testfile", Line: 1, Files: []string{"Testfile"}}
			if want.Zones == nil {
				want.Zones = []string{"example.org."}
			}
			if want.Keys == "" {
				want.Keys = "keys"
			}
			if test.change != nil {
				test.change(&want.Policy)
			}
			got, warnings, err := Parse(controller(test.input, "dns://example.org.:53"))
			if err != nil || len(warnings) != 0 || !reflect.DeepEqual(got, []Options{want}) {
				t.Errorf("got %+v, warnings %q, error %v;\nwant %+v", got, warnings, err, want)
			}
		})
	}
}

// TestParse_BadTellsAllFaultsAtOnce has the exact text of every error.
func TestParse_BadTellsAllFaultsAtOnce(t *testing.T) {
	const roleUsage = `"lifetime unlimited|DURATION", "bits N" or both are expected`
	const algorithms = "RSASHA256 (8), RSASHA512 (10), ECDSAP256SHA256 (13), ECDSAP384SHA384 (14), ED25519 (15)"
	tests := []struct {
		name  string
		block string // the lines between the braces, from line 2 on
		want  []string
	}{
		{"UnknownProperty", "kyes here", []string{`2 - unknown property "kyes"`}},
		{"LaterWork", "alias refuse_zone\napi 127.0.0.1:8053 {\n token_file x\n}\nkyes", []string{
			`2 - unknown property "alias"`, `3 - unknown property "api"`, `3 - api: a block is not expected here`, `6 - unknown property "kyes"`}},
		{"Keys", "keys", []string{"2 - keys: a value is missing"}},
		{"KeysTwoValues", "keys etcd http://192.0.2.1:2379", []string{`2 - keys: one value is expected, not 2: "http://192.0.2.1:2379" is too much`}},
		{"KeysEmpty", `keys ""`, []string{"2 - keys: the value is empty"}},
		{"NewKeys", "new_keys maybe", []string{`2 - new_keys: "maybe" is not ask_parent, always or never`}},
		{"Algorithm1", "algorithm RSAMD5", []string{"2 - algorithm: algorithm 1 (RSAMD5) must not be used (RFC 8624 section 3.1)"}},
		{"Algorithm3", "algorithm 3", []string{"2 - algorithm: algorithm 3 (DSA) must not be used (RFC 8624 section 3.1)"}},
		{"Algorithm5", "algorithm RSASHA1", []string{"2 - algorithm: algorithm 5 (RSASHA1) must not be used for signing (RFC 9905): SHA-1 is broken and validators treat it as insecure"}},
		{"Algorithm6", "algorithm 6", []string{"2 - algorithm: algorithm 6 (DSA-NSEC3-SHA1) must not be used (RFC 8624 section 3.1)"}},
		{"Algorithm7", "algorithm 7", []string{"2 - algorithm: algorithm 7 (NSEC3RSASHA1) must not be used for signing (RFC 9905): SHA-1 is broken and validators treat it as insecure"}},
		{"Algorithm12", "algorithm ECC-GOST", []string{"2 - algorithm: algorithm 12 (ECC-GOST) must not be used (RFC 9906)"}},
		{"Algorithm16", "algorithm ED448", []string{"2 - algorithm: algorithm 16 (ED448) is not supported: Go's standard library has no Ed448; ED25519 is the closest"}},
		{"AlgorithmUnknown", "algorithm RSASHA3", []string{`2 - algorithm: algorithm "RSASHA3" is unknown; supported are ` + algorithms}},
		{"AlgorithmNumber", "algorithm 99", []string{`2 - algorithm: algorithm 99 is unknown; supported are ` + algorithms}},
		{"Scheme", "scheme simple", []string{`2 - scheme: "simple" is not split or csk`}},
		{"RoleAlone", "ksk", []string{"2 - ksk: " + roleUsage}},
		{"RoleWord", "zsk lifetime 90d size 2048", []string{"2 - zsk: " + roleUsage + `, not "size"`}},
		{"LifetimeMissing", "ksk lifetime", []string{"2 - ksk: lifetime: a value is missing"}},
		{"LifetimeTwice", "zsk lifetime 90d lifetime 91d", []string{"2 - zsk: lifetime: given twice"}},
		{"LifetimeZero", "zsk lifetime 0s", []string{`2 - zsk: lifetime: 0s is no lifetime; for keys that are rolled when asked write "unlimited"`}},
		{"LifetimeNegative", "zsk lifetime -1d", []string{`2 - zsk: lifetime: "-1d" is not a duration such as 90m, 36h, 14d or 2w`}},
		{"LifetimeNoDuration", "zsk lifetime never", []string{`2 - zsk: lifetime: "never" is not a duration such as 90m, 36h, 14d or 2w`}},
		{"LifetimeAbsurd", "ksk lifetime 3651d", []string{"2 - ksk lifetime 3651d is not between 1s and 3650d; unlimited is possible"}},
		{"LifetimeOfNoRole", "csk lifetime 365d", []string{"2 - csk lifetime 365d: scheme split has no csk"}},
		{"LifetimeAsTheDefaultOfNoRole", "scheme csk\nzsk lifetime 90d", []string{"3 - zsk: scheme csk has no zsk"}},
		{"LifetimeUnlimitedOfNoRole", "csk lifetime unlimited", []string{"2 - csk: scheme split has no csk"}},
		{"LifetimeAfterBadScheme", "csk lifetime 365d\nscheme CSK", []string{`3 - scheme: "CSK" is not split or csk`}},
		{"LifetimeUnderTheRoll", "dnskey_ttl 2h\nzsk lifetime 9d", []string{"3 - zsk lifetime 9d is not more than what a roll takes, " +
			"publishing 3h5m (dnskey_ttl 2h + zone_propagation_delay 5m + publish_safety 1h) + " +
			"moving the signatures 9d54m (signatures_validity 14d - signatures_refresh 5d in slots of 54m) + " +
			"forgetting the old ones 3h5m (dnskey_ttl 2h + zone_propagation_delay 5m + retire_safety 1h) + " +
			"withdrawing the old key 3h5m (dnskey_ttl 2h + zone_propagation_delay 5m + retire_safety 1h) = 9d10h9m: rolls would pile up; " +
			"zsk lifetime 18d20h18m or more, or signatures_validity of at most 9d2h20m24s, would do"}},
		{"DefaultLifetimeUnderAWrittenValidity", "\nsignatures_validity 95d", []string{"3 - zsk lifetime 90d is not more than what a roll takes, " +
			"publishing 2h5m (dnskey_ttl 1h + zone_propagation_delay 5m + publish_safety 1h) + " +
			"moving the signatures 90d1h (signatures_validity 95d - signatures_refresh 5d in slots of 1h) + " +
			"forgetting the old ones 2h5m (dnskey_ttl 1h + zone_propagation_delay 5m + retire_safety 1h) + " +
			"withdrawing the old key 2h5m (dnskey_ttl 1h + zone_propagation_delay 5m + retire_safety 1h) = 90d7h15m: rolls would pile up; " +
			"zsk lifetime 180d14h30m or more, or signatures_validity of at most 49d16h45m, would do"}},
		{"LifetimeAfterABadDelay", "publish_safety x\nzsk lifetime 1d", []string{`2 - publish_safety: "x" is not a duration such as 90m, 36h, 14d or 2w`}},
		{"LifetimeOfTrustAnchors", "parent none\nksk lifetime 60d", []string{"3 - ksk lifetime 60d is not more than what a roll takes, " +
			"publishing 2h5m (dnskey_ttl 1h + zone_propagation_delay 5m + publish_safety 1h) + " +
			"having the new key trusted 60d2h5m (RFC 5011 60d + dnskey_ttl 1h + zone_propagation_delay 5m + publish_safety 1h) + " +
			"having the old one distrusted 45d2h5m (RFC 5011 45d + dnskey_ttl 1h + zone_propagation_delay 5m + retire_safety 1h) + " +
			"withdrawing the old key 2h5m (dnskey_ttl 1h + zone_propagation_delay 5m + retire_safety 1h) = 105d8h20m: rolls would pile up; " +
			"ksk lifetime 210d16h40m or more would do"}},
		{"StrictForbidsTightLifetimes", "ksk lifetime 2d\nparent propagation_delay 2h ds_ttl 1d\nstrict on", []string{
			"2 - ksk lifetime 2d is less than twice what a roll takes, " +
				"publishing 2h5m (dnskey_ttl 1h + zone_propagation_delay 5m + publish_safety 1h) + " +
				"changing the DS 1d3h (parent ds_ttl 1d + parent propagation_delay 2h + retire_safety 1h) + " +
				"withdrawing the old key 2h5m (dnskey_ttl 1h + zone_propagation_delay 5m + retire_safety 1h) = 1d7h10m: " +
				"a roll that is held up would still run when the next one is due; ksk lifetime 2d14h20m or more would do (strict is on)"}},
		{"BitsMissing", "csk bits", []string{`2 - csk: bits: a value is missing`}},
		{"BitsWord", "zsk bits many", []string{`2 - zsk: bits: "many" is not a number from 1 to 65535`}},
		{"BitsForECDSA", "zsk bits 2048", []string{"2 - zsk bits 2048: keys of ECDSAP256SHA256 have one length, bits is for RSA only"}},
		{"BitsUnder1024", "algorithm RSASHA256\nzsk bits 1023", []string{"3 - zsk bits 1023: an RSA key has 1024 to 4096 bits"}},
		{"BitsOfNoRole", "algorithm RSASHA256\nscheme csk\nzsk bits 2048", []string{"4 - zsk bits 2048: scheme csk has no zsk"}},
		{"BitsAfterBadAlgorithm", "algorithm RSASHA257\nzsk bits 2048", []string{`2 - algorithm: algorithm "RSASHA257" is unknown; supported are ` + algorithms}},
		{"Automatic", "automatic yes", []string{`2 - automatic: "yes" is not on or off`}},
		{"Strict", "strict", []string{"2 - strict: a value is missing"}},
		{"Duration", "signatures_validity fortnight", []string{`2 - signatures_validity: "fortnight" is not a duration such as 90m, 36h, 14d or 2w`}},
		{"DurationWithoutUnit", "signatures_refresh 3600", []string{`2 - signatures_refresh: "3600" is not a duration such as 90m, 36h, 14d or 2w`}},
		{"DurationFraction", "signatures_validity_dnskey 1500ms", []string{`2 - signatures_validity_dnskey: duration "1500ms" is not in whole seconds`}},
		{"RefreshNotLessThanValidity", "signatures_validity 3d\nsignatures_validity_dnskey 3d",
			[]string{"2 - signatures_refresh 5d is not less than signatures_validity 3d: every signature would be due at once"}},
		{"RefreshEqualsValidity", "signatures_refresh 14d", []string{"2 - signatures_refresh 14d is not less than signatures_validity 14d: every signature would be due at once"}},
		{"PeriodUnderFourSlots", "signatures_refresh 13d23h59m58s", []string{"2 - signatures_validity 14d - signatures_refresh 13d23h59m58s = 2s is less than 4 slots of 1s: signatures could not be spread"}},
		{"RefreshUnderTTL", "dnskey_ttl 6d", []string{"2 - signatures_refresh 5d is less than dnskey_ttl 6d + zone_propagation_delay 5m = 6d5m: caches would outlive signatures"}},
		{"TTLZero", "dnskey_ttl 0s", []string{"2 - dnskey_ttl 0s is not between 1s and 7d"}},
		{"TTLOfTheFormat", "dnskey_ttl 70y", []string{`2 - dnskey_ttl: "70y" is not a duration such as 90m, 36h, 14d or 2w`}},
		{"TTLTooLong", "dnskey_ttl 4000w", []string{"2 - dnskey_ttl: 4000w is more than the 2^31-1 seconds of a TTL"}},
		{"DenialMissing", "denial", []string{`2 - denial: "nsec" or "nsec3" is expected`}},
		{"DenialWord", "denial nsec5", []string{`2 - denial: "nsec" or "nsec3" is expected`}},
		{"DenialNSECWithSalt", "denial nsec salt_length 8", []string{`2 - denial: nsec takes no "salt_length"`}},
		{"DenialNSEC3Word", "denial nsec3 opt-out", []string{`2 - denial: nsec3 takes "optout", "salt_length N" and "iterations N", not "opt-out"`}},
		{"DenialNumberMissing", "denial nsec3 iterations", []string{"2 - denial: iterations: a number is missing"}},
		{"DenialSalt", "denial nsec3 salt_length 256", []string{`2 - denial: salt_length: "256" is not a number from 0 to 255`}},
		{"DenialIterations", "denial nsec3 iterations 51", []string{"2 - denial nsec3 iterations 51 is more than 50: validators treat such a zone as insecure or fail (RFC 9276 section 3.2)"}},
		{"Serial", "serial epoch", []string{`2 - serial: "epoch" is not increment, unixtime or date`}},
		{"Workers", "workers 0", []string{`2 - workers: "0" is not a number from 1 to 1024`}},
		{"WorkersTwoValues", "workers 1 2", []string{`2 - workers: one value is expected, not 2: "2" is too much`}},
		{"Verify", "verify some", []string{`2 - verify: "some" is not budget, full or structure`}},
		{"Allow", "allow", []string{"2 - allow: the name of a plugin is missing"}},
		{"AllowUnknown", "allow rewrite wright", []string{`2 - allow: "wright" is not a plugin of this server`}},
		{"Parent", "parent", []string{"2 - parent: " + parentUsage}},
		{"ParentWord", "parent forwarders 192.0.2.1", []string{"2 - parent: " + parentUsage + `, not "forwarders"`}},
		{"ParentNoneAndMore", "parent none ds_ttl 1d", []string{"2 - parent: none stands alone: where no parent is asked there is nothing to say about it"}},
		{"ParentLocalAndNone", "parent local none", []string{"2 - parent: none stands alone: where no parent is asked there is nothing to say about it"}},
		{"ParentLocalWithAddress", "parent local 192.0.2.1", []string{"2 - parent: local: " + parentUsage + `, not "192.0.2.1"`}},
		{"ParentNoAgents", "parent agents ds_ttl 1d", []string{"2 - parent: agents: an address is missing"}},
		{"ParentAgentName", "parent agents ns.example.org", []string{`2 - parent: agents: "ns.example.org" is not an address or ADDRESS:PORT`}},
		{"ParentTwice", "parent ds_ttl 1d ds_ttl 2d", []string{"2 - parent: ds_ttl: given twice"}},
		{"ParentTTLMissing", "parent ds_ttl", []string{"2 - parent: ds_ttl: a value is missing"}},
		{"ParentTTLs", "parent ds_ttl 1d 2d", []string{`2 - parent: ds_ttl: one value is expected, not 2: "2d" is too much`}},
		{"ParentDelayNoDuration", "parent propagation_delay 3600", []string{`2 - parent: propagation_delay: "3600" is not a duration such as 90m, 36h, 14d or 2w`}},
		{"ParentTTLZero", "parent ds_ttl 0s propagation_delay 4000d", []string{"2 - parent ds_ttl 0s is not between 1s and 3650d",
			"2 - parent propagation_delay 4000d is not between 1s and 3650d"}},
		{"Delays", "publish_safety 0s\nretire_safety 3651d\nzone_propagation_delay 0s", []string{
			"4 - zone_propagation_delay 0s is not between 1s and 3650d", "2 - publish_safety 0s is not between 1s and 3650d",
			"3 - retire_safety 3651d is not between 1s and 3650d"}},
		{"Purge", "purge_keys forever", []string{`2 - purge_keys: "forever" is not a duration such as 90m, 36h, 14d or 2w`}},
		{"CDS", "cds yes", []string{`2 - cds: "yes" is not on or off`}},
		{"Insecure", "insecure", []string{"2 - insecure: a value is missing"}},
		{"MassChange", "mass_change 0", []string{`2 - mass_change: "0" is not a number from 1 to 100`}},
		{"MassChangePercent", "mass_change 50%", []string{`2 - mass_change: "50%" is not a number from 1 to 100`}},
		{"Twice", "workers 1\nstrict off\nworkers 2", []string{"4 - workers: given twice, first at Testfile:2"}},
		{"Block", "workers 1 {\n strict on\n x {\n }\n}\nverify some", []string{
			"2 - workers: a block is not expected here", `7 - verify: "some" is not budget, full or structure`}},
		{"NotClosed", "workers 1 {", []string{"2 - workers: a block is not expected here", "1 - the block is not closed"}},
		{"StrictMakesErrorsOfWarnings", "strict on\ndenial nsec3 iterations 10 salt_length 8", []string{
			"3 - denial nsec3 salt_length 8: RFC 9276 section 3.1 says 0; a salt brings nothing (strict is on)",
			"3 - denial nsec3 iterations 10: RFC 9276 section 3.1 says 0; some validators treat others as insecure (strict is on)"}},
		{"Several", "algorithm RSASHA1\nwrokers 2\n\nsignatures_refresh 20d\nserial epoch\ndenial nsec3 iterations 100", []string{
			"2 - algorithm: algorithm 5 (RSASHA1) must not be used for signing (RFC 9905): SHA-1 is broken and validators treat it as insecure",
			`3 - unknown property "wrokers"`,
			`6 - serial: "epoch" is not increment, unixtime or date`,
			"5 - signatures_refresh 20d is not less than signatures_validity 14d: every signature would be due at once",
			"7 - denial nsec3 iterations 100 is more than 50: validators treat such a zone as insecure or fail (RFC 9276 section 3.2)"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			input := "autosign {\n" + test.block + "\n}"
			if test.name == "NotClosed" {
				input = "autosign {\n" + test.block
			}
			got, _, err := Parse(controller(input, "dns://example.org.:53"))
			if got != nil || err == nil {
				t.Fatalf("got %+v, %v; want an error", got, err)
			}
			want := "Testfile:" + strings.Join(test.want, "\nTestfile:")
			if err.Error() != want {
				t.Errorf("error\n%s\nwant\n%s", err, want)
			}
		})
	}
}

func TestParse_Lines(t *testing.T) {
	block := []string{"dns://example.org.:53", "dns://example.org.:1053", "tls://example.net.:853"}
	tests := []struct {
		name     string
		input    string
		block    []string
		zones    [][]string
		warnings []string
		err      string
	}{
		{"KeysThatDifferInPortAreOneZone", "autosign", block, [][]string{{"example.org.", "example.net."}}, nil, ""},
		{"TwoLines", "autosign example.org\nautosign example.net {\n keys other\n}", block, [][]string{{"example.org."}, {"example.net."}}, nil, ""},
		{"Root", "autosign", []string{"dns://.:53"}, [][]string{{"."}}, nil, ""},
		{"Reverse", "autosign 10.0.0.0/23", []string{"dns://.:53"}, [][]string{{"0.0.10.in-addr.arpa.", "1.0.10.in-addr.arpa."}}, nil, ""},
		{"ZoneOfAnotherBlock", "autosign example.com", block, [][]string{{"example.com."}},
			[]string{"Testfile:1 - zone example.com. is not in this server block: it is signed, but no query comes here"}, ""},
		{"StrictForbidsZonesOfOtherBlocks", "autosign example.com {\n strict on\n}", block, nil, nil,
			"Testfile:1 - zone example.com. is not in this server block: it is signed, but no query comes here (strict is on)"},
		{"ZoneTwiceInOneLine", "autosign example.org Example.ORG.", block, nil, nil, "Testfile:1 - zone example.org. is given twice"},
		{"ZoneInTwoLines", "autosign example.org\n\nautosign", block, nil, nil, "Testfile:3 - zone example.org. is signed twice, first at Testfile:1"},
		{"NoName", "autosign a..b " + strings.Repeat("a", 64) + ".org", block, nil, nil,
			"Testfile:1 - \"a..b\" is not a zone name\nTestfile:1 - \"" + strings.Repeat("a", 64) + ".org\" is not a zone name"},
		{"FaultsOfAllLines", "autosign example.org {\n workers x\n}\nautosign example.net {\n strict maybe\n}", block, nil, nil,
			"Testfile:2 - workers: \"x\" is not a number from 1 to 1024\nTestfile:5 - strict: \"maybe\" is not on or off"},
		{"AdviceIsAWarning", "autosign example.org {\n denial nsec3 iterations 1\n}", block, [][]string{{"example.org."}},
			[]string{"Testfile:2 - denial nsec3 iterations 1: RFC 9276 section 3.1 says 0; some validators treat others as insecure"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, warnings, err := Parse(controller(test.input, test.block...))
			var zones [][]string
			for _, o := range got {
				zones = append(zones, o.Zones)
			}
			if !reflect.DeepEqual(zones, test.zones) || !slices.Equal(warnings, test.warnings) {
				t.Errorf("zones %q, warnings %q; want %q, %q", zones, warnings, test.zones, test.warnings)
			}
			if text := strings.ReplaceAll(fmt.Sprint(err), "<nil>", ""); text != test.err {
				t.Errorf("error\n%s\nwant\n%s", text, test.err)
			}
		})
	}
}

// TestParse_SnippetsShareAPolicy: lines, or the inside of a block, may be
// imported; a fault in them names the line where it stands.
func TestParse_SnippetsShareAPolicy(t *testing.T) {
	const corefile = `(policy) {
	signatures_validity 21d
	workers %s
}
(line) {
	autosign {
		import policy
	}
}
example.org {
	import line
}
example.net {
	autosign {
		algorithm ED25519
		import policy
		serial date
	}
}
`
	for workers, want := range map[string]string{"2": "<nil>", "x": `Corefile:3 - workers: "x" is not a number from 1 to 1024`} {
		blocks, err := caddyfile.Parse("Corefile", strings.NewReader(fmt.Sprintf(corefile, workers)), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks {
			c := &caddy.Controller{Dispenser: caddyfile.NewDispenserTokens("Corefile", block.Tokens["autosign"]), ServerBlockKeys: block.Keys}
			got, _, err := Parse(c)
			if fmt.Sprint(err) != want {
				t.Errorf("error %v, want %s", err, want)
			}
			if err == nil && (len(got) != 1 || got[0].Policy.Validity != 21*day || got[0].Policy.Workers != 2) {
				t.Errorf("got %+v", got)
			}
		}
	}
}

// FuzzParse: whatever stands in a Corefile, Parse ends, and faults have a line.
func FuzzParse(f *testing.F) {
	for _, input := range []string{
		"autosign", "autosign example.org {\n keys x\n}", "autosign {\n workers 1 {\n } }", "autosign { { }", "}", "autosign {\n denial nsec3 iterations 1\n}",
		"autosign {\n parent none\n ksk lifetime 61d bits 9\n zsk lifetime unlimited\n cds off insecure on }",
		"autosign {\n parent local agents 192.0.2.1 ds_ttl 1s propagation_delay 9999999w\n purge_keys never\n zone_propagation_delay 99999999h\n}",
		"autosign {\n parent agents 192.0.2.1\n ksk bits 2048 }\nautosign x", "autosign \"a\nb\" {\n\"", "autosign 10.0.0.0/8 ::/0",
	} {
		f.Add(input)
	}
	f.Fuzz(func(t *testing.T, input string) {
		if !strings.HasPrefix(input, "autosign") {
			input = "autosign " + input
		}
		got, warnings, err := Parse(controller(input, "dns://example.org.:53"))
		lines := warnings
		if err != nil {
			if got != nil {
				t.Fatalf("%q gave %+v and %v", input, got, err)
			}
			for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
				lines = append(lines, err.Error())
			}
		}
		for _, line := range lines {
			var n int
			if _, err := fmt.Sscanf(line, "Testfile:%d - ", &n); err != nil || n < 1 || n > strings.Count(input, "\n")+1 {
				t.Errorf("%q: no line in %q", input, line)
			}
		}
		for _, o := range got {
			if faults, _ := o.Policy.Check(); len(faults) > 0 {
				t.Errorf("%q: accepted with %v", input, faults)
			}
		}
	})
}

// TestParse_FilesOfALine: whoever asks how old a configuration is has to look at
// imported files, too.
func TestParse_FilesOfALine(t *testing.T) {
	imported := filepath.Join(t.TempDir(), "policy")
	if err := os.WriteFile(imported, []byte("signatures_validity 21d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	main := filepath.Join(filepath.Dir(imported), "Corefile")
	blocks, err := caddyfile.Parse(main, strings.NewReader("example.org {\n\tautosign {\n\t\tserial date\n\t\timport "+imported+"\n\t}\n}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &caddy.Controller{Dispenser: caddyfile.NewDispenserTokens(main, blocks[0].Tokens["autosign"]), ServerBlockKeys: blocks[0].Keys}
	got, _, err := Parse(c)
	if err != nil || len(got) != 1 || got[0].File != main || !slices.Equal(got[0].Files, []string{main, imported}) {
		t.Errorf("%+v, %v", got, err)
	}
}
