"""The pages of the review: cards and decisions of one project folder -> HTML, and forms -> the decision file."""

from __future__ import annotations

import getpass
import secrets
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from assay.embed.encoder import mend
from assay.errors import DataError, StaleError
from assay.ner import decisions as store
from assay.ner.cards import FILE as CARDS
from assay.ner.cards import Card, Cards, read_cards
from assay.ner.decisions import Decision, Decisions
from assay.ner.document import Corpus
from assay.ner.taxonomy import FILE as TAXONOMY
from assay.ner.taxonomy import Taxonomy, read_taxonomy
from assay.ner.validate import PROPOSAL, validate
from assay.report import conflicts
from assay.report.page import _part
from assay.web import form as forms
from assay.web import queue
from assay.web.guard import HEADERS, Guard, Refused
from assay.web.pages import environment, part, tree

PAGE = 200  # cards of the queue on one page
PROPOSED = "taxonomy.proposed.yaml"
THIS = "this decision"
FILES = (".txt", ".tsv", ".csv", ".json", ".jsonl", ".conll")
TRIES = 5  # to write, where another program changes other decisions in the same moment


def _filter(
    kind: str = "", relation: str = "", corpus: str = "", status: str = "", q: str = ""
) -> queue.Filter:
    return queue.Filter(kind, relation, corpus, status, q.strip())


By = Annotated[queue.Filter, Depends(_filter)]


def make_app(folder: str | Path, *, guard: Guard | None = None) -> FastAPI:
    """Return the application that serves the review of a project folder; `assay.web.guard` says who may use it.

    Every request reads the decision file anew and every change is on the disk before its answer is sent, so that
    nothing is lost by a crash, and several pages, or an editor, can be open at once.
    """
    guard = guard or Guard()
    review = _Review(Path(folder), guard)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for path, page in (
        ("/enter", review.enter),
        ("/style.css", review.style),
        ("/review.js", review.script),
        ("/", review.start),
        ("/card/{id}", review.show),
        ("/taxonomy", review.taxonomy),
        ("/preview", review.preview),
    ):
        app.add_api_route(path, page, methods=["GET"], response_model=None)
    for path, action in (
        ("/card/{id}", review.decide),
        ("/card/{id}/check", review.check),
        ("/undo", review.undo),
    ):
        app.add_api_route(path, action, methods=["POST"], response_model=None)

    async def guarded(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            guard.host(request)
            if request.url.path not in ("/enter", "/style.css"):
                guard.opened(request)
            response = await go_on(request)
        except Refused as refusal:
            response = review.refused(refusal)
        response.headers.update(HEADERS)
        return response

    async def refused(request: Request, error: Exception) -> Response:
        found = (
            error
            if isinstance(error, Refused)
            else Refused(404, "No such page", "Nothing is at this address.")
        )
        return review.refused(found)

    async def wrong(request: Request, error: Exception) -> Response:
        return review.refused(Refused(500, "A file of the folder cannot be read", str(error)))

    app.middleware("http")(guarded)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(404, refused)
    app.add_exception_handler(405, refused)
    app.add_exception_handler(DataError, wrong)
    return app


class _Review:
    """One project folder as pages. The lock is held while a form becomes a decision."""

    def __init__(self, folder: Path, guard: Guard) -> None:
        self.folder, self.guard = folder, guard
        self.file = folder / store.FILE
        self.lock = threading.Lock()
        self.reading = threading.Lock()
        self.read: tuple[Any, list[Corpus]] | None = None
        self.known: tuple[tuple[int, int], Cards] | None = None
        self.cards()

    # ---- what the folder holds ----

    def cards(self) -> Cards:
        """Return the cards as they are on disk; read again when the file is another."""
        stat = (self.folder / CARDS).stat() if (self.folder / CARDS).exists() else None
        state = (0, 0) if stat is None else (stat.st_mtime_ns, stat.st_size)
        if self.known is None or self.known[0] != state:
            self.known = (state, read_cards(self.folder))
        return self.known[1]

    def decisions(self) -> Decisions:
        return store.read_decisions(self.file)

    def types(self) -> Taxonomy | None:
        path = self.folder / TAXONOMY
        return read_taxonomy(path) if path.exists() else None

    def files(self) -> list[str]:
        """Return the files that a split could name."""
        own = (CARDS, store.LOG, "cards.tsv", "manifest.json", "crossval.json")
        root = self.folder.resolve()
        found = (path for path in sorted(root.rglob("*")) if path.suffix in FILES and path.is_file())
        names = [path.relative_to(root).as_posix() for path in found if path.resolve().is_relative_to(root)]
        return [name for name in names if name not in own and not name.startswith(".")][:500]

    def author(self, entries: Sequence[Decision]) -> str:
        """Return who decides: who did so last, else the user of this machine."""
        named = [entry.author for entry in entries if entry.author not in ("", PROPOSAL)]
        try:
            return named[-1] if named else getpass.getuser()
        except (OSError, KeyError):
            return ""

    def named(self, id: str) -> tuple[int, Card]:
        """Return rank and card of an id, or raise."""
        for rank, card in enumerate(self.cards().cards, 1):
            if card.id == id:
                return rank, card
        raise Refused(404, "No such card", "The corpora may have been screened again since. See the queue.")

    # ---- pages ----

    def page(self, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        html = environment().get_template(template).render(token=self.guard.token, **context)
        return HTMLResponse(mend(html), status_code=status)

    def refused(self, refusal: Refused) -> HTMLResponse:
        return self.page(
            "message.html", refusal.status, heading=refusal.heading, text=refusal.text, bare=True
        )

    def around(self, decisions: Decisions, by: queue.Filter, saved: str = "") -> dict[str, Any]:
        """Return what stands on every page: progress, the last step, what was just done."""
        all_rows = queue.rows(self.cards().cards, decisions)
        steps = store.history(self.file)
        return {
            "rows": all_rows,
            "by": by,
            "progress": queue.progress(all_rows),
            "revision": decisions.revision,
            "last": steps[-1] if steps else None,
            "saved": decisions.get(saved) if saved else None,
        }

    def enter(self, request: Request, key: str = "") -> Response:
        """Give the browser its cookie; a redirect from here would come without it if a link elsewhere led here."""
        if not secrets.compare_digest(key.encode(), self.guard.key.encode()):
            raise Refused(403, "Open the address that the terminal shows", "The key in this address is not the one "
                          "of the running server.")  # fmt: skip
        response = self.page("enter.html")
        response.set_cookie(self.guard.cookie(request), key, httponly=True, samesite="strict", path="/")
        return response

    def style(self) -> Response:
        return Response(conflicts.style() + part("review.css"), media_type="text/css")

    def script(self) -> Response:
        return Response(_part("theme.js") + part("review.js"), media_type="text/javascript")

    def start(self, by: By, page: int = 1, saved: str = "") -> Response:
        cards, decisions = self.cards(), self.decisions()
        around = self.around(decisions, by, saved)
        found = queue.filtered(around["rows"], by)
        problems = validate(decisions.entries, cards, taxonomy=self.types(), folder=self.folder)
        pages = max(1, -(-len(found) // PAGE))
        page = min(max(page, 1), pages)
        return self.page(
            "queue.html", found=found[(page - 1) * PAGE : page * PAGE], total=len(found), number=page, pages=pages,
            first=queue.following(around["rows"], by, 0), problems=problems,
            kinds=[(kind, words[0]) for kind, words in conflicts.KINDS.items()],
            corpora=[(corpus.name, corpus.name) for corpus in cards.corpora],
            of_decision=_of_decision(around["rows"]), **around,
        )  # fmt: skip

    def show(self, id: str, by: By, decision: str = "", saved: str = "") -> Response:
        _, card = self.named(id)
        decisions = self.decisions()
        return self.card_page(card, by, decisions, self.first_form(card, decisions, decision), saved=saved)

    def first_form(self, card: Card, decisions: Decisions, wanted: str) -> forms.Form:
        """Return the form of the decision that is asked for, of the card's first one, or an empty one."""
        entries = forms.of_card(decisions, card)
        author, seen = self.author(decisions.entries), forms.fingerprint(entries)
        chosen = next((entry for entry in entries if entry.id == wanted), None)
        if chosen is None and entries and wanted != "new":
            chosen = entries[0]
        if chosen is not None:
            return forms.shown(chosen, seen=seen, author=author)
        return forms.blank(card, author=author, seen=seen, names=_names(decisions))

    def card_page(
        self, card: Card, by: queue.Filter, decisions: Decisions, form: forms.Form, *, status: int = 200,
        errors: Sequence[str] = (), warnings: Sequence[str] = (), anyway: bool = False, stale: bool = False,
        saved: str = "",
    ) -> Response:  # fmt: skip
        around = self.around(decisions, by, saved)
        row = next(row for row in around["rows"] if row.card.id == card.id)
        before, after = queue.beside(around["rows"], by, row.rank)
        others = [
            entry
            for entry in decisions.entries
            if entry.action != "ignore"
            and set(entry.labels) & set(card.labels)
            and entry not in row.decisions
        ]
        cards = self.cards()
        return self.page(
            "review.html", status, row=row, card=card, form=form, before=before, after=after, others=others,
            errors=errors, warnings=warnings, anyway=anyway, stale=stale, files=self.files(),
            labels=dict.fromkeys((*card.labels, *form.labels)), names=self.names(decisions), whole=len(cards.cards),
            languages={corpus.name: corpus.language for corpus in cards.corpora}, **around,
        )  # fmt: skip

    def names(self, decisions: Decisions) -> list[str]:
        """Return the names that were given before, and those of the taxonomy: to choose from."""
        types = self.types()
        known = (
            [] if types is None else [name for kind in types.living for name in (kind.en, kind.zh) if name]
        )
        return list(dict.fromkeys([*(name for entry in decisions.entries for name in entry.names), *known]))

    # ---- changes ----

    async def decide(self, request: Request, id: str, by: By) -> Response:
        fields = await self.guard.form(request)
        return await run_in_threadpool(self.decided, id, by, fields)

    def decided(self, id: str, by: queue.Filter, fields: dict[str, list[str]]) -> Response:
        rank, card = self.named(id)
        form = forms.filled(fields)
        do = fields.get("do", ["save"])[-1]
        with self.lock:
            for _ in range(TRIES):
                now = self.decisions()
                if do == "rows":
                    form = replace(form, parts=(*form.parts, *[forms.Part("", "", "")] * forms.MORE))
                    return self.card_page(card, by, now, form)
                entries = forms.of_card(now, card)
                current = next((entry for entry in entries if entry.id == form.id), None)
                made, errors, warnings, grave = self.judged(form, card, now)
                there = next((entry for entry in entries if made is not None and _alike(made, entry)), None)
                if there is not None and do != "remove":  # sent twice, or nothing changed
                    return self.after(rank, by, now, there.id)
                if form.seen != forms.fingerprint(entries) or (form.id and current is None):
                    first = form.seen == forms.fingerprint(()) and entries  # another came first
                    id = current.id if current else entries[0].id if first else ""
                    form = replace(form, seen=forms.fingerprint(entries), id=id)
                    return self.card_page(card, by, now, form, status=409, stale=True)
                try:
                    if do == "remove" and current is not None:
                        store.edit(self.file, remove=[current.id], revision=now.revision)
                        return RedirectResponse(f"/card/{card.id}{by.query}", 303)
                    if made is None or grave or (errors and do != "anyway"):
                        return self.card_page(
                            card,
                            by,
                            now,
                            form,
                            status=422,
                            errors=errors,
                            warnings=warnings,
                            anyway=not grave,
                        )
                    added, replaced = ([], [made]) if current else ([made], [])
                    later = store.edit(self.file, add=added, replace=replaced, revision=now.revision)
                except StaleError:
                    continue
                before = {entry.id for entry in now.entries}
                saved = made.id or next(entry.id for entry in later.entries if entry.id not in before)
                return self.after(rank, by, later, saved)
        raise Refused(
            409, "The decision file changes all the time", "Nothing was saved. Go back and save again."
        )

    def after(self, rank: int, by: queue.Filter, decisions: Decisions, saved: str) -> Response:
        """Lead on to the next card to decide."""
        then = queue.following(queue.rows(self.cards().cards, decisions), by, rank)
        path = f"/card/{then.card.id}" if then is not None else "/"
        return RedirectResponse(f"{path}{by.query}{'&' if by.query else '?'}saved={saved}", 303)

    def judged(
        self, form: forms.Form, card: Card, now: Decisions
    ) -> tuple[Decision | None, list[str], list[str], bool]:
        """Return the decision that a form makes, errors, warnings, and whether it cannot be saved so.

        What is wrong only beside other decisions may be saved all the same, since two can be mended only one by one;
        `assay ner apply` refuses it.
        """
        try:
            made = forms.decision(form, card)
        except DataError as error:
            return None, [str(error)], [], True
        named = made if made.id else made.model_copy(update={"id": THIS})
        alone = validate([named], folder=self.folder)
        rest = [entry for entry in now.entries if entry.id != named.id]
        found = validate([*rest, named], self.cards(), taxonomy=self.types(), folder=self.folder)
        touching = [problem for problem in found if named.id in problem.ids]
        errors = [problem.message for problem in touching if problem.severity == "error"]
        warnings = [problem.message for problem in touching if problem.severity == "warning"]
        grave = any(problem.severity == "error" for problem in alone)
        return made, errors, warnings, grave

    async def check(self, request: Request, id: str) -> Response:
        """Tell the page's script what is wrong with the form as it stands."""
        fields = await self.guard.form(request)
        return await run_in_threadpool(self.checked, id, fields)

    def checked(self, id: str, fields: dict[str, list[str]]) -> Response:
        _, card = self.named(id)
        _, errors, warnings, grave = self.judged(forms.filled(fields), card, self.decisions())
        return JSONResponse(
            {"errors": list(map(mend, errors)), "warnings": list(map(mend, warnings)), "grave": grave}
        )

    async def undo(self, request: Request, by: By) -> Response:
        fields = await self.guard.form(request)
        return await run_in_threadpool(self.undone, by, fields)

    def undone(self, by: queue.Filter, fields: dict[str, list[str]]) -> Response:
        with self.lock:
            steps = store.history(self.file)
            try:
                store.undo(self.file, revision=fields.get("revision", [""])[-1])
            except StaleError:
                raise Refused(
                    409, "Changed meanwhile",
                    "The decision file is not as it was when that page was loaded, so nothing was taken back. Load the "
                    "page again to see what the last step is now.",
                ) from None  # fmt: skip
            except DataError as error:
                raise Refused(409, "Nothing was taken back", str(error)) from None
        change = steps[-1].changes[-1]
        entry = change.now or change.was
        known = {card.id for card in self.cards().cards}
        path = f"/card/{entry.card}" if entry and entry.card in known else "/"
        return RedirectResponse(f"{path}{by.query}", 303)

    def taxonomy(self, q: str = "") -> Response:
        decisions, types, draft = self.decisions(), self.types(), ""
        if types is None and (self.folder / PROPOSED).exists():
            types, draft = read_taxonomy(self.folder / PROPOSED), PROPOSED
        return self.page(
            "taxonomy.html", tree=tree(types, decisions, self.cards(), q.strip()), text=q.strip(), draft=draft,
            **self.around(decisions, queue.Filter()),
        )  # fmt: skip

    def corpora(self) -> list[Corpus]:
        """Return the screened corpora, read again as they were read; they stay in memory while their files stay.

        Only files of this machine are read: the page asks no network for anything.
        """
        from assay.ner import read_corpus

        for corpus in self.cards().corpora:
            if not Path(corpus.source).exists():
                raise DataError(f"{corpus.name} must be where it was read; there is no {corpus.source}.")
        state = tuple((corpus.source, _stamp(Path(corpus.source))) for corpus in self.cards().corpora)
        with self.reading:
            if self.read is None or self.read[0] != state:
                self.read = None
                found = [
                    read_corpus(corpus.source, name=corpus.name, **corpus.reading)
                    for corpus in self.cards().corpora
                ]
                self.read = (state, found)
            return self.read[1]

    def preview(self) -> Response:
        """Show what `assay ner apply` would change; nothing is changed."""
        from assay.ner.apply import preview

        decisions = self.decisions()
        around = self.around(decisions, queue.Filter())
        confirmed = [entry for entry in decisions.entries if entry.author != PROPOSAL]
        found = validate(confirmed, self.cards(), taxonomy=self.types(), folder=self.folder)
        errors = [problem for problem in found if problem.severity == "error"]
        shown, failed = None, ""
        if not errors:
            try:
                shown = preview(self.corpora(), confirmed, folder=self.folder)
            except (DataError, OSError) as error:
                failed = str(error)
        return self.page(
            "preview.html", errors=errors, warnings=[problem for problem in found if problem not in errors],
            shown=shown, failed=failed, proposed=len(decisions.entries) - len(confirmed), folder=str(self.folder),
            of_decision=_of_decision(around["rows"]), **around,
        )  # fmt: skip


def _stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what tells whether the files of a corpus are still the same."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(str(file), file.stat()) for file in files if file.is_file()]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


def _of_decision(rows: Sequence[queue.Row]) -> dict[str, Card]:
    """Return the card that each decision answers."""
    return {entry.id: row.card for row in rows for entry in row.decisions}


def _names(decisions: Decisions) -> dict[str, str]:
    """Return what each label is called by decisions that give it one name."""
    return {label: entry.name for entry in decisions.entries if entry.name for label in entry.labels}


def _alike(one: Decision, two: Decision) -> bool:
    """Tell whether two decisions say the same, whenever it was said."""
    return one.model_copy(update={"date": None, "id": ""}) == two.model_copy(update={"date": None, "id": ""})
