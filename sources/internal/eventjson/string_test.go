package eventjson_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// texts is strings that take every way through the encoder.
func texts() []string {
	all := []string{
		"", "a", `"`, `\`, "\x00", "\x1f\x7f ", "\b\f\n\r\t", "<a href='x'>&</a>", "\u2028\u2029", "1763900000123",
		`{"kind":"invoice","number":1204}`, "héllo wörld",
		"日本語のテキスト", "😀😀😀", "\ufffd", "a\xffb", "\xe6\x97", "\xed\xa0\x80",
		"plain text that is much longer than a word", "plain text with one é far behind the first word",
		"valid é first, then not \xff\xfe \"quoted\"\n", strings.Repeat(`"`, 40), strings.Repeat("\x01", 40),
		strings.Repeat("x", 5000) + `"` + strings.Repeat("é", 100),
	}
	for length := range 40 {
		for at := range length {
			text := []byte(strings.Repeat("z", length))
			text[at] = "\"\\\n\x02\x80"[at%5]
			all = append(all, string(text))
		}
	}
	return all
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	for _, text := range texts() {
		checkString(t, text)
	}
}

func TestAppendStringEveryByte(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		checkString(t, string([]byte{byte(c)}))
		checkString(t, "1234567"+string([]byte{byte(c)})+"123456789")
	}
}

// TestAppendStringText holds the text itself against encoding/json, which differs only
// in that it escapes U+2028 and U+2029, and from Go 1.27 on does not escape what stands
// for invalid UTF-8.
func TestAppendStringText(t *testing.T) {
	t.Parallel()
	for _, text := range texts() {
		got, want := string(eventjson.AppendString(nil, text)), reference(t, text)
		if strings.ReplaceAll(got, `\ufffd`, "\ufffd") != strings.ReplaceAll(want, `\ufffd`, "\ufffd") {
			t.Errorf("AppendString(%q) = %s, want %s", text, got, want)
		}
	}
}

// reference is what encoding/json writes, without the escapes that are left out.
func reference(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		t.Fatal(err)
	}
	quoted := strings.TrimSuffix(b.String(), "\n")
	if strings.Contains(text, "\u2028") {
		quoted = strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(quoted)
	}
	return quoted
}

// checkString holds AppendString and its kin against encoding/json.
func checkString(t *testing.T, text string) {
	t.Helper()
	var want, got string
	std, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(std, &want); err != nil {
		t.Fatal(err)
	}
	out := eventjson.AppendString([]byte("before"), text)[len("before"):]
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("AppendString(%q) = %s: %v", text, out, err)
	}
	if got != want {
		t.Errorf("AppendString(%q) decodes to %q, want %q", text, got, want)
	}
	if size := eventjson.StringSize(text); size != len(out) {
		t.Errorf("StringSize(%q) = %d, want %d", text, size, len(out))
	}
	exact := eventjson.AppendStringBytes(make([]byte, 0, len(out)), []byte(text))
	if string(exact) != string(out) {
		t.Errorf("AppendStringBytes(%q) with room for it = %s, want %s", text, exact, out)
	}
	roomy := eventjson.AppendString(make([]byte, 0, len(out)+1000), text)
	if string(roomy) != string(out) {
		t.Errorf("AppendString(%q) with room = %s, want %s", text, roomy, out)
	}
}

// TestAppendStringKeepsRest checks that nothing is written outside the part of
// the array that AppendString may use.
func TestAppendStringKeepsRest(t *testing.T) {
	t.Parallel()
	for _, text := range texts() {
		size := eventjson.StringSize(text)
		array := []byte(strings.Repeat("#", size+200))
		got := eventjson.AppendString(array[100:100:100+size], text)
		if &got[0] != &array[100] {
			t.Errorf("AppendString(%q) did not use the room it was given", text)
		}
		if rest := string(array[:100]) + string(array[100+size:]); strings.Trim(rest, "#") != "" {
			t.Errorf("AppendString(%q) wrote outside", text)
		}
	}
}

func TestAppendBase64_KIN191(t *testing.T) {
	t.Parallel()
	blob := make([]byte, 100)
	for i := range blob {
		blob[i] = byte(i * 151)
	}
	for n := range blob {
		for _, room := range []int{0, eventjson.Base64Size(n), 1000} {
			got := string(eventjson.AppendBase64(make([]byte, 0, room), blob[:n]))
			if want := `"` + base64.StdEncoding.EncodeToString(blob[:n]) + `"`; got != want {
				t.Errorf("AppendBase64 of %d bytes with room for %d = %s, want %s", n, room, got, want)
			}
			if eventjson.Base64Size(n) != len(got) {
				t.Errorf("Base64Size(%d) = %d, want %d", n, eventjson.Base64Size(n), len(got))
			}
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, text := range texts()[:24] {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		checkString(t, string(text))
	})
}
