// Command corpus measures how well letters are read, on a folder of real letters with known results:
//
//	go run ./bench/corpus [-dir ../shared/corpus] [-only reply,mime] [-v] [-cmd "./mxdesk inspect"]
//
// Without -cmd letters are read in this process and nothing is authenticated; with it every
// letter is given to that program, with --dns and the other arguments of its case.
//
//	go run ./bench/corpus mutate [-n 1000000] [-seed 1]
//
// reads the letters and mutations of them, and looks for panics, broken text, and too much time or memory.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"mxdesk/internal/inspect"
	"mxdesk/internal/message"
)

type testCase struct {
	ID     string            `json:"id"`
	File   string            `json:"file"`
	DNS    string            `json:"dns"`
	Args   map[string]string `json:"args"`
	Set    string            `json:"set"`
	Expect []expectation     `json:"expect"`

	object map[string]any
	fails  []string
}

type category struct {
	Name  string      `json:"category"`
	Cases []*testCase `json:"cases"`
	dir   string
}

var (
	dir     = flag.String("dir", "../shared/corpus", "folder of the corpus")
	only    = flag.String("only", "", "categories, apart by commas; all when empty")
	command = flag.String("cmd", "", "program and arguments that print the object of a letter")
	dump    = flag.Bool("dump", false, "print the object of every letter, one a line, instead of the table")
	verbose = flag.Bool("v", false, "print what each failing case expected and got")
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "mutate" {
		if err := mutate(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "corpus:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	files, err := filepath.Glob(filepath.Join(*dir, "*", "expected.json"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no corpus in %s", *dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(2)
	}
	for _, f := range files {
		if err := run(f); err != nil {
			fmt.Fprintln(os.Stderr, "corpus:", err)
			os.Exit(1)
		}
	}
}

// run evaluates one category and prints its line of the table.
func run(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	cat := category{dir: filepath.Dir(file)}
	if err := json.Unmarshal(b, &cat); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if *only != "" && !slices.Contains(strings.Split(*only, ","), filepath.Base(cat.dir)) {
		return nil
	}
	start := time.Now()
	for _, c := range cat.Cases {
		if err := c.read(cat.dir); err != nil {
			return fmt.Errorf("%s: %w", c.ID, err)
		}
	}
	took := time.Since(start)
	if *dump {
		for _, c := range cat.Cases {
			c.object["id"], c.object["category"] = c.ID, filepath.Base(cat.dir)
			if err := json.NewEncoder(os.Stdout).Encode(c.object); err != nil {
				return err
			}
		}
		return nil
	}
	failed := []string{}
	for _, c := range cat.Cases {
		if err := c.evaluate(cat.Cases); err != nil {
			return fmt.Errorf("%s: %w", c.ID, err)
		}
		if len(c.fails) > 0 {
			failed = append(failed, c.ID)
		}
	}
	good := len(cat.Cases) - len(failed)
	fmt.Printf("%-12s %4d of %4d  %6.2f %%  %v\n", filepath.Base(cat.dir), good, len(cat.Cases), 100*float64(good)/float64(len(cat.Cases)), took.Round(time.Millisecond))
	for _, c := range cat.Cases {
		if len(c.fails) > 0 {
			fmt.Printf("    %s (%s)\n", c.ID, c.File)
			if *verbose {
				fmt.Println("        " + strings.Join(c.fails, "\n        "))
			}
		}
	}
	return nil
}

// read makes the object of a case's letter.
func (c *testCase) read(dir string) error {
	path := filepath.Join(dir, filepath.FromSlash(c.File))
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		path = filepath.Join(filepath.Dir(dir), filepath.FromSlash(c.File))
	}
	var out bytes.Buffer
	if *command != "" {
		if err := c.exec(dir, path, &out); err != nil {
			return err
		}
	} else {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		from, given := c.Args["mail_from"]
		env := message.Envelope{NullSender: given && from == "", MailFrom: from}
		if err := inspect.New(message.Read(raw, env), inspect.Options{}).Write(&out); err != nil {
			return err
		}
	}
	return json.Unmarshal(out.Bytes(), &c.object)
}

func (c *testCase) exec(dir, path string, out *bytes.Buffer) error {
	args := strings.Fields(*command)
	if c.DNS != "" {
		args = append(args, "--dns", filepath.Join(dir, filepath.FromSlash(c.DNS)))
	}
	for _, k := range []string{"ip", "helo", "mail_from", "now"} {
		if v, given := c.Args[k]; given {
			args = append(args, "--"+strings.ReplaceAll(k, "_", "-"), v)
		}
	}
	cmd := exec.Command(args[0], append(args[1:], path)...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	return cmd.Run()
}

// evaluate fills c.fails.
func (c *testCase) evaluate(all []*testCase) error {
	for _, e := range c.Expect {
		ok, got := false, any(nil)
		if e.op == "same-thread" {
			group := thread(c, all)
			ok, got = slices.Equal(sorted(group), sorted(texts(e.value))), group
		} else {
			var err error
			if ok, err = e.holds(c.object); err != nil {
				return err
			}
			if got = resolve(c.object, e.path); e.op == "reply" {
				got = []any{c.object["reply_text"], c.object["signature"]}
			}
		}
		if !ok {
			c.fails = append(c.fails, fmt.Sprintf("%s %s %s\n          got %s", e.path, e.op, clip(e.value), clip(got)))
		}
	}
	return nil
}

func clip(v any) string {
	const most = 2000
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b[:min(len(b), most)])
}

// thread lists the ids, in lower case, of the cases of c's set that share ids with it, however far around.
func thread(c *testCase, all []*testCase) []string {
	parent := map[string]string{}
	var find func(string) string
	find = func(s string) string {
		if p, ok := parent[s]; ok && p != s {
			root := find(p)
			parent[s] = root
			return root
		}
		return s
	}
	for _, o := range all {
		if o.Set != c.Set {
			continue
		}
		ids := texts(o.object["thread_refs"])
		if id := text(o.object["message_id"]); id != "" {
			ids = append(ids, strings.ToLower(id))
		}
		for _, id := range ids {
			parent[find("id:"+id)] = find("case:" + o.ID)
		}
	}
	var out []string
	for _, o := range all {
		if o.Set == c.Set && find("case:"+o.ID) == find("case:"+c.ID) {
			out = append(out, strings.ToLower(o.ID))
		}
	}
	sort.Strings(out)
	return out
}
