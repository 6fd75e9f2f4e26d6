package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mxdesk/internal/dns"
)

type conformanceCmd struct {
	Corpus        string   `default:"../shared/corpus" type:"path" help:"Folder of the corpus."`
	CorpusProgram string   `default:".build/corpus" type:"path" help:"The program that holds inspect against a corpus."`
	Suites        []string `default:"/usr/share/doc/python3-spf/rfc7208-tests.yml.gz" help:"SPF suites in the form of that of RFC 7208."`
	Verbose       bool     `short:"v" help:"Print each case that fails."`
}

// conformance is one run; every row of its table is one peer's opinion of us, or ours of a peer's letters.
type conformance struct {
	*conformanceCmd
	program string
	dir     string
	rows    []*row
}

// row is one line of the table.
type row struct {
	what, peer  string
	good, cases int
	failed      []string
	missing     string // why nothing was tried
	told        bool   // what differs is shown, and is no failure: it is an opinion on letters, not a signature or a standard's suite
}

func (c *conformance) row(what, peer string) *row {
	r := &row{what: what, peer: peer}
	c.rows = append(c.rows, r)
	return r
}

func (r *row) count(ok bool, format string, args ...any) {
	r.cases++
	if ok {
		r.good++
		return
	}
	r.failed = append(r.failed, fmt.Sprintf(format, args...))
}

// lacks tells whether a file or program is not there; the row then names the Debian package that has it.
func (r *row) lacks(path, debian string) bool {
	_, err := exec.LookPath(path)
	if err != nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		r.missing = filepath.Base(path) + " is missing; Debian has it in " + debian
	}
	return err != nil
}

// Run fills the table and prints it. It fails when a case does.
func (c *conformanceCmd) Run(ctx context.Context, top *cli) error {
	dir, err := os.MkdirTemp("/tmp", "mxdesk-conformance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a leftover in /tmp does no harm
	run := &conformance{conformanceCmd: c, program: top.Mxdesk, dir: dir}
	err = run.corpora(ctx)
	for _, suite := range c.Suites {
		err = errors.Join(err, run.spfSuite(ctx, suite))
	}
	err = errors.Join(err, run.theirs(ctx), run.ours(ctx))
	return errors.Join(err, run.print())
}

func (c *conformance) print() error {
	failed := 0
	fmt.Printf("%-46s %-26s %s\n", "what", "by", "good of cases")
	for _, r := range c.rows {
		result := fmt.Sprintf("%d of %d", r.good, r.cases)
		if r.missing != "" {
			result = r.missing
		}
		fmt.Printf("%-46s %-26s %s\n", r.what, r.peer, result)
		if !r.told {
			failed += len(r.failed)
		}
		for _, f := range r.failed {
			if c.Verbose || len(r.failed) <= 5 {
				fmt.Printf("    %s\n", f)
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d cases failed", failed)
	}
	return nil
}

// corpora holds the categories of the corpus that are about authentication against inspect.
func (c *conformance) corpora(ctx context.Context) error {
	for _, category := range []string{"spf", "dkim", "dmarc", "arc"} {
		r := c.row("corpus: "+category, "mxdesk inspect")
		r.told = true
		if _, err := os.Stat(filepath.Join(c.Corpus, category, "expected.json")); err != nil {
			r.missing = "there is no corpus in " + c.Corpus
			continue
		}
		out, err := exec.CommandContext(ctx, c.CorpusProgram, "-dir", c.Corpus, "-only", category, "-cmd", c.program+" inspect").Output()
		if err != nil {
			return fmt.Errorf("corpus, %s: %w", category, err)
		}
		first, rest, _ := strings.Cut(string(out), "\n")
		f := strings.Fields(first) // spf 124 of 124 100.00 % 1s
		if len(f) < 4 {
			return fmt.Errorf("corpus, %s: %q", category, first)
		}
		r.good, _ = strconv.Atoi(f[1])
		r.cases, _ = strconv.Atoi(f[3])
		for line := range strings.Lines(rest) {
			r.failed = append(r.failed, strings.TrimSpace(line))
		}
	}
	return nil
}

// spfTest is one test of an SPF suite.
type spfTest struct {
	Name, IP, Helo, Mailfrom string
	Zone                     json.RawMessage
	Results                  []string
	Explanation              *string
}

// spfSuite runs one suite.
func (c *conformance) spfSuite(ctx context.Context, path string) error {
	r := c.row("SPF suite "+filepath.Base(path), "mxdesk inspect")
	if r.lacks(path, "python3-spf") || r.lacks("/usr/bin/python3", "python3, python3-yaml") {
		return nil
	}
	out, err := exec.CommandContext(ctx, "/usr/bin/python3", "bench/testdata/spfsuite.py", path).Output()
	if err != nil {
		return fmt.Errorf("read %s: %w", path, withStderr(err))
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var t spfTest
		if err := decoder.Decode(&t); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		got, err := c.inspect(ctx, t.Zone, []byte("From: a@example.com\r\n\r\n"), "--ip", t.IP, "--helo", t.Helo, "--mail-from", t.Mailfrom)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		spf := got.Auth.SPF
		ok := slices.Contains(t.Results, spf.Result)
		if ok && spf.Result == "fail" && t.Explanation != nil && *t.Explanation != "DEFAULT" {
			ok = spf.Explanation == *t.Explanation
		}
		r.count(ok, "%s: %s %q, want %v", t.Name, spf.Result, spf.Explanation, t.Results)
	}
}

// inspected is what is of interest here in the output of inspect.
type inspected struct {
	Auth struct {
		SPF  struct{ Result, Explanation string }
		DKIM []struct{ Result, Reason string }
		ARC  struct{ Result, Reason string }
	}
}

// inspect gives a letter to mxdesk inspect with a zone in YAML.
func (c *conformance) inspect(ctx context.Context, zone, letter []byte, args ...string) (got inspected, err error) {
	path := filepath.Join(c.dir, "zone.yaml")
	if err := os.WriteFile(path, zone, 0o600); err != nil {
		return got, err
	}
	out, err := piped(ctx, letter, c.program, append([]string{"inspect", "--dns", path}, append(args, "-")...)...)
	if err != nil {
		return got, err
	}
	return got, json.Unmarshal(out, &got)
}

// piped runs a program over a letter.
func piped(ctx context.Context, letter []byte, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = bytes.NewReader(letter)
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w", filepath.Base(program), withStderr(err))
	}
	return out, nil
}

// withStderr adds what a program said about its failure.
func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}

// ours has mxdesk send letters, and asks the verifiers of others what they think of them.
func (c *conformance) ours(ctx context.Context) error {
	letters, zone, err := c.captured(ctx)
	if err != nil {
		return err
	}
	var files, forged []string
	for i, l := range letters {
		for name, raw := range map[string][]byte{"sent": l, "forged": bytes.Replace(l, []byte("\nSubject: "), []byte("\nSubject: forged "), 1)} {
			path := filepath.Join(c.dir, fmt.Sprintf("%s%d.eml", name, i))
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				return err
			}
			if name == "sent" {
				files = append(files, path)
			} else {
				forged = append(forged, path)
			}
		}
	}
	server, err := dns.Serve("127.0.0.1:0", zone)
	if err != nil {
		return err
	}
	defer server.Close() //nolint:errcheck // the end
	if err := c.scripted(ctx, server, files, forged); err != nil {
		return err
	}
	return c.openDKIM(ctx, zone, files, forged)
}
