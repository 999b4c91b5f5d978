//! `docs/reference/checkers.md` is what the checkers say about themselves.
//!
//! With `SPLITBRAIN_GOLDEN=write` in the environment it is written instead of compared.

use std::fmt::Write;
use std::path::Path;

use histories::Guarantee;

#[test]
fn the_reference_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/checkers.md");
    let page = page();
    if std::env::var_os("SPLITBRAIN_GOLDEN").is_some_and(|v| v == "write") {
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder can be made");
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "{} is out of date: run this test with SPLITBRAIN_GOLDEN=write", path.display());
}

fn page() -> String {
    let mut page = String::from(
        "# Checkers\n\n\
         Each checker observes one guarantee in a history, while it is recorded or at its end. This page is generated from \
         what the checkers say about themselves; the essays at the head of their modules say how they decide, and why.\n\n\
         | guarantee | definition |\n| --- | --- |\n",
    );
    for guarantee in Guarantee::ALL {
        let about = checkers::about(guarantee);
        writeln!(page, "| [{guarantee}](#{guarantee}) | {} |", about.definition).expect("a string can be written");
    }
    for guarantee in Guarantee::ALL {
        section(&mut page, guarantee).expect("a string can be written");
    }
    page
}

fn section(page: &mut String, guarantee: Guarantee) -> std::fmt::Result {
    let about = checkers::about(guarantee);
    writeln!(page, "\n## {guarantee}\n\n{}\n", about.definition)?;
    writeln!(page, "- **Source.** {}", about.source)?;
    writeln!(page, "- **Needs.** {}", about.needs)?;
    writeln!(page, "- **Does not detect.** {}", about.does_not_detect)?;
    if about.anomalies.is_empty() {
        return writeln!(page, "- **Anomalies.** Those that its [model](models.md) prohibits.");
    }
    writeln!(page, "\n| anomaly | meaning |\n| --- | --- |")?;
    for (kind, meaning) in about.anomalies {
        writeln!(page, "| `{kind}` | {meaning} |")?;
    }
    Ok(())
}

#[test]
fn every_guarantee_has_one_checker_that_describes_itself() {
    let all = checkers::all(&checkers::CheckConfig::default());
    assert_eq!(all.len(), Guarantee::FOLDS.len());
    let at_the_end = Guarantee::ALL.into_iter().filter(|g| !Guarantee::FOLDS.contains(g));
    let judged = at_the_end.map(|g| checkers::checker(g, &checkers::CheckConfig::default()));
    for (checker, guarantee) in all.into_iter().chain(judged).zip(Guarantee::ALL) {
        let about = checker.about();
        assert_eq!(about.guarantee, guarantee);
        assert_eq!(checkers::about(guarantee).definition, about.definition);
        for text in [about.definition, about.source, about.does_not_detect, about.needs] {
            assert!(text.ends_with('.') && !text.contains("  "), "{text}");
        }
        assert_eq!(about.anomalies.is_empty(), !Guarantee::FOLDS.contains(&guarantee));
    }
}
