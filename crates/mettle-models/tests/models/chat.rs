//! Chat templates, written here in the manner of those that model files carry.

use mettle_models::chat::{ChatOptions, ChatTemplate, Message};

fn messages(turns: &[(&str, &str)]) -> Vec<Message> {
    turns
        .iter()
        .map(|(role, content)| Message::new(*role, *content))
        .collect()
}

fn render(source: &str, turns: &[(&str, &str)]) -> String {
    let template = ChatTemplate::new(source, "<s>", "</s>").unwrap();
    template
        .render(&messages(turns), ChatOptions::default())
        .unwrap()
}

fn fails(source: &str, turns: &[(&str, &str)], wanted: &str) {
    let rendered = ChatTemplate::new(source, "<s>", "</s>")
        .and_then(|template| template.render(&messages(turns), ChatOptions::default()));
    let message = rendered.unwrap_err().to_string();
    assert!(message.contains(wanted), "{message:?} lacks {wanted:?}");
}

/// The manner of Llama 3: header tokens around roles, BOS before the first, contents trimmed, a date.
const HEADERS: &str = "\
{%- set loop_messages = messages %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now('%d %b %Y') %}
    {%- endif %}
{%- endif %}
{%- for message in loop_messages %}
    {%- set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}
    {%- if loop.index0 == 0 %}
        {%- set content = bos_token + content %}
    {%- endif %}
    {{- content }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
";

#[test]
fn headers() {
    assert_eq!(
        render(HEADERS, &[("system", " Be brief. "), ("user", "Hi!\n")]),
        "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>\
         <|start_header_id|>user<|end_header_id|>\n\nHi!<|eot_id|>\
         <|start_header_id|>assistant<|end_header_id|>\n\n"
    );
}

/// The manner of Qwen3: ChatML, a search from the end through a namespace, thoughts of earlier turns cut away,
/// Python's string methods, and an empty thought where thinking is switched off.
const CHATML: &str = "\
{%- set ns = namespace(last_query=messages|length - 1, open=true) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.open and message.role == 'user' and not (message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
        {%- set ns.open = false %}
        {%- set ns.last_query = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content %}
    {%- if message.role == 'assistant' and '</think>' in content and loop.index0 < ns.last_query %}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
";

#[test]
fn chatml() {
    let turns = [
        ("user", "2+2?"),
        ("assistant", "<think>\nsum\n</think>\n\n4"),
        ("user", "and 3+3?"),
    ];
    let conversation = "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n\
                        <|im_start|>user\nand 3+3?<|im_end|>\n";
    let start = "<|im_start|>assistant\n";
    assert_eq!(render(CHATML, &turns), format!("{conversation}{start}"));

    let template = ChatTemplate::new(CHATML, "", "").unwrap();
    let with = |add_generation_prompt, enable_thinking| {
        let options = ChatOptions {
            add_generation_prompt,
            enable_thinking,
        };
        template.render(&messages(&turns), options).unwrap()
    };
    assert_eq!(with(false, None), conversation);
    assert_eq!(with(true, Some(true)), format!("{conversation}{start}"));
    let quiet = format!("{conversation}{start}<think>\n\n</think>\n\n");
    assert_eq!(with(true, Some(false)), quiet);
}

/// The manner of Llama 2 and Mistral: roles must alternate.
const INST: &str = "\
{{ bos_token }}{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must alternate user/assistant/user/assistant/...') }}
{% endif %}
{% if message['role'] == 'user' %}
{{ '[INST] ' + message['content'].strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}
{{ ' ' + message['content'].strip() + eos_token }}{% endif %}
{% endfor %}
";

#[test]
fn alternating_roles() {
    assert_eq!(
        render(INST, &[("user", " a "), ("assistant", "b"), ("user", "c")]),
        "<s>[INST] a [/INST] b</s>[INST] c [/INST]"
    );
    fails(
        INST,
        &[("user", "a"), ("user", "b")],
        "Roles must alternate user/assistant/user/assistant/...",
    );
}

#[test]
fn loop_controls_and_json() {
    let source = "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}\
                  {% if m.content == 'stop' %}{% break %}{% endif %}[{{ m.content }}]{% endfor %}";
    let turns = [
        ("system", "s"),
        ("user", "a"),
        ("user", "stop"),
        ("user", "b"),
    ];
    assert_eq!(render(source, &turns), "[a]");

    let json =
        "{{ messages | tojson }}\n{{ {'b': [1, 2.5, none, true], 'a': {}} | tojson(indent=2) }}";
    assert_eq!(
        render(json, &[("user", "<é> \"q\"\n\u{1}")]),
        "[{\"role\": \"user\", \"content\": \"<é> \\\"q\\\"\\n\\u0001\"}]\n\
         {\n  \"b\": [\n    1,\n    2.5,\n    null,\n    true\n  ],\n  \"a\": {}\n}"
    );
}

#[test]
fn templates_that_fail() {
    fails("{% for %}", &[], "chat template: syntax error");
    fails(
        "{{ messages[0].nothing.more }}",
        &[("user", "a")],
        "undefined value",
    );
    fails(
        "{{ strftime_now('%Q') }}",
        &[],
        "does not know the directive %Q",
    );
    // A template that would not end in any reasonable time.
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}x{% endfor %}{% endfor %}{% endfor %}";
    fails(endless, &[], "out of fuel");
}
