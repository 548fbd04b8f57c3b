def test_running(seed, open_page):
    seed.run()
    page = open_page()
    print(page.html[:6000])
    print([type(x).__name__ for x in page.test.main])
    print(len(page.figures))
