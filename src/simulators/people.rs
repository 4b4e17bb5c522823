//! Invented people for both CRMs. The same seed gives the same people, and none of them is real or reachable.

pub(crate) struct Person {
    pub first: String,
    pub last: String,
    pub company: Option<String>,
    pub title: Option<String>,
    /// The first is the primary one.
    pub emails: Vec<String>,
    /// E.164, unique over all people; the first is the primary one. Never empty.
    pub phones: Vec<String>,
    /// The days before the CRM's start on which the contact was created and last changed.
    pub noted: u32,
    pub changed: u32,
    /// Random bits for what else differs in a CRM.
    pub rng: Rng,
}

/// A small reproducible generator of random numbers (splitmix64).
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound.max(1)
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(from.len() as u64)).ok()?;
        from.get(index)
    }

    /// A random id of `length` characters of an alphabet.
    pub(super) fn id(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).filter_map(|_| self.pick(alphabet).map(|byte| char::from(*byte))).collect()
    }
}

/// Area codes in which the numbers 555-0100 to 555-0199 are reserved for fiction.
const AREAS: [&str; 10] = ["415", "212", "312", "604", "206", "617", "303", "512", "619", "503"];

const FIRST: [&str; 40] = [
    "Amara",
    "Zoë",
    "Łukasz",
    "Søren",
    "Ágnes",
    "José",
    "Nguyệt",
    "Þóra",
    "Mei",
    "Oluwaseun",
    "Priya",
    "Renée",
    "Björn",
    "Chloé",
    "Dmitri",
    "Élodie",
    "Farid",
    "Grace",
    "Henry",
    "Ingrid",
    "Jamal",
    "Keiko",
    "Liam",
    "Márta",
    "Noah",
    "Olga",
    "Pedro",
    "Quinn",
    "Rosa",
    "Samuel",
    "Tomás",
    "Uma",
    "Victor",
    "Wanda",
    "Ximena",
    "Yusuf",
    "Zara",
    "Mary Ann",
    "D'Arcy",
    "Jean-Luc",
];

const LAST: [&str; 36] = [
    "Okafor",
    "Müller",
    "Kowalski",
    "Sørensen",
    "Nagy",
    "García Márquez",
    "Trần",
    "Jónsdóttir",
    "Chen",
    "Adeyemi",
    "Sharma",
    "Lefèvre",
    "Ångström",
    "Dubois",
    "Volkov",
    "Haddad",
    "O'Neill",
    "van der Berg",
    "Brooks",
    "Carter",
    "Delgado",
    "Evans",
    "Fischer",
    "Greene",
    "Hughes",
    "Ito",
    "Jensen",
    "Kaur",
    "Lopez",
    "Morgan",
    "Nakamura",
    "Osei",
    "Petrov",
    "Quintero",
    "Rossi",
    "Smith-Jones",
];

const COMPANIES: [&str; 8] = [
    "Harbour Plumbing Ltd",
    "Northside Electric",
    "Blue Door Properties",
    "Café Lumière",
    "Maple & Co.",
    "Granite Roofing Inc.",
    "Sunrise Cleaning",
    "Ørsted Gardens",
];

const TITLES: [&str; 5] = ["Property Manager", "Office Manager", "Engineer", "Owner", "Accountant"];

/// So many people, always the same.
pub(crate) fn invent(count: usize, seed: u64) -> Vec<Person> {
    let mut rng = Rng::new(seed);
    (0..count).map(|index| person(index, &mut rng)).collect()
}

fn person(index: usize, rng: &mut Rng) -> Person {
    // Steps without a common divisor go through all pairs of names before one repeats.
    let first = FIRST.get(index * 7 % FIRST.len()).copied().unwrap_or_default();
    let last = LAST.get((index * 5 + index / FIRST.len()) % LAST.len()).copied().unwrap_or_default();
    let is_company = index % 19 == 7;
    let company = (is_company || rng.one_in(6)).then(|| rng.pick(&COMPANIES).copied().unwrap_or_default());
    let changed = u32::try_from(rng.below(300)).unwrap_or_default();
    Person {
        first: if is_company { String::new() } else { first.to_owned() },
        last: if is_company { String::new() } else { last.to_owned() },
        company: company.map(str::to_owned),
        title: rng.one_in(5).then(|| rng.pick(&TITLES).copied().unwrap_or_default().to_owned()),
        // A company's address contains its own name.
        emails: if is_company {
            emails(index, "office", company.unwrap_or_default(), rng)
        } else {
            emails(index, first, last, rng)
        },
        phones: phones(index),
        noted: changed + u32::try_from(rng.below(700)).unwrap_or_default(),
        changed,
        rng: Rng::new(rng.next_u64()),
    }
}

fn emails(index: usize, first: &str, last: &str, rng: &mut Rng) -> Vec<String> {
    if index % 11 == 4 {
        return Vec::new();
    }
    let main = format!("{}.{}{index}@example.com", ascii(first), ascii(last));
    let mut all = vec![main];
    if rng.one_in(7) {
        all.push(format!("{}{index}@mail.example.org", ascii(last)));
    }
    if rng.one_in(25) {
        all.push(format!("office+{index}@example.net"));
    }
    all
}

/// One number for each person, two for some. Second numbers are at the end of the range, where there are no first numbers.
fn phones(index: usize) -> Vec<String> {
    let mut all =
        vec![if index % 23 == 9 { format!("+442079460{:03}", index % 1000) } else { fictional(index) }];
    if index.is_multiple_of(5) && index / 5 < 100 {
        all.push(format!("+1702555{:04}", 100 + index / 5));
    }
    all
}

fn fictional(index: usize) -> String {
    let area = AREAS.get(index / 100 % AREAS.len()).copied().unwrap_or_default();
    if index < 1000 {
        return format!("+1{area}55501{:02}", index % 100);
    }
    // Beyond the reserved numbers: still in the 555 exchange, in which nobody has a private number.
    format!("+1{area}555{:04}", 2000 + index / 1000 * 100 + index % 100)
}

/// The letters of a name as an e-mail address contains them.
fn ascii(name: &str) -> String {
    let plain = |letter: char| match letter {
        'ë' | 'é' | 'è' | 'ệ' => "e".to_owned(),
        'ł' => "l".to_owned(),
        'ø' | 'ö' | 'ó' => "o".to_owned(),
        'á' | 'å' | 'ầ' => "a".to_owned(),
        'ü' => "u".to_owned(),
        'í' => "i".to_owned(),
        'þ' => "th".to_owned(),
        letter if letter.is_ascii_alphanumeric() => letter.to_string(),
        _ => String::new(),
    };
    name.to_lowercase().chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn people_are_stable_and_their_numbers_unique() {
        let (people, again) = (invent(2000, 1), invent(2000, 1));
        let numbers: Vec<_> = people.iter().flat_map(|person| person.phones.clone()).collect();
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), numbers.len());
        assert!(people.iter().zip(&again).all(|(a, b)| a.emails == b.emails && a.phones == b.phones));
        assert!(numbers.iter().all(|number| rlibphonenumber::PHONE_NUMBER_UTIL.parse(number, None).is_ok()));
    }
}
