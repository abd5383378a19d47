<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en">
<context>
    <name>Library</name>
    <message numerus="yes">
        <source>%n step(s)</source>
        <translation>
            <numerusform>%n step</numerusform>
            <numerusform>%n steps</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>likeness::ui::CompareControls</name>
    <message numerus="yes">
        <source>%1, %n step(s)</source>
        <translation>
            <numerusform>%1, %n step</numerusform>
            <numerusform>%1, %n steps</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n LoRA(s)</source>
        <translation>
            <numerusform>%n LoRA</numerusform>
            <numerusform>%n LoRAs</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>likeness::ui::ComparePage</name>
    <message numerus="yes">
        <source>%n cell(s) could not be made.</source>
        <translation>
            <numerusform>%n cell could not be made.</numerusform>
            <numerusform>%n cells could not be made.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%1 × %2 = %n cell(s)</source>
        <translation>
            <numerusform>%1 × %2 = %n cell</numerusform>
            <numerusform>%1 × %2 = %n cells</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>likeness::ui::CreateControls</name>
    <message numerus="yes">
        <source>Expert: %n option(s)</source>
        <translation>
            <numerusform>Expert: %n option</numerusform>
            <numerusform>Expert: %n options</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n prompt(s)</source>
        <translation>
            <numerusform>%n prompt</numerusform>
            <numerusform>%n prompts</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n changed</source>
        <translation>
            <numerusform>%n changed</numerusform>
            <numerusform>%n changed</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n prompt(s) below are drawn in its place.</source>
        <translation>
            <numerusform>The %n prompt below is drawn in its place.</numerusform>
            <numerusform>The %n prompts below are drawn in its place.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>likeness::ui::ExtrasPanel</name>
    <message numerus="yes">
        <source>%n LoRA(s)</source>
        <translation>
            <numerusform>%n LoRA</numerusform>
            <numerusform>%n LoRAs</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n embedding(s)</source>
        <translation>
            <numerusform>%n embedding</numerusform>
            <numerusform>%n embeddings</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>likeness::ui::InspectDialog</name>
    <message numerus="yes">
        <source>%n problem(s)</source>
        <translation>
            <numerusform>%n problem</numerusform>
            <numerusform>%n problems</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n more in the copied report</source>
        <translation>
            <numerusform>%n more in the copied report</numerusform>
            <numerusform>%n more in the copied report</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>likeness::ui::LibraryPage</name>
    <message numerus="yes">
        <source>%n thing(s) moved to the trash.</source>
        <translation>
            <numerusform>%n thing moved to the trash.</numerusform>
            <numerusform>%n things moved to the trash.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n chosen</source>
        <translation>
            <numerusform>%n chosen</numerusform>
            <numerusform>%n chosen</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Move %n thing(s) to the trash?</source>
        <translation>
            <numerusform>Move %n thing to the trash?</numerusform>
            <numerusform>Move %n things to the trash?</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>likeness::ui::LossPanel</name>
    <message numerus="yes">
        <source>%1: %n step(s), %2</source>
        <translation>
            <numerusform>%1: %n step, %2</numerusform>
            <numerusform>%1: %n steps, %2</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n run(s) are beside this one already.</source>
        <translation>
            <numerusform>%n run is beside this one already.</numerusform>
            <numerusform>%n runs are beside this one already.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>likeness::ui::MainWindow</name>
    <message numerus="yes">
        <source>%n to check</source>
        <translation>
            <numerusform>%n to check</numerusform>
            <numerusform>%n to check</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n more file(s) were not opened.</source>
        <translation>
            <numerusform>%n more file was not opened.</numerusform>
            <numerusform>%n more files were not opened.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Queue: %n job(s)</source>
        <translation>
            <numerusform>Queue: %n job</numerusform>
            <numerusform>Queue: %n jobs</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>likeness::ui::PhotosPage</name>
    <message numerus="yes">
        <source>%n file(s) could not be used.</source>
        <translation>
            <numerusform>%n file could not be used.</numerusform>
            <numerusform>%n files could not be used.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>“%1” is %n tokens of this model (%2). A short rare word such as sks learns better.</source>
        <translation>
            <numerusform>“%1” is %n tokens of this model (%2). A short rare word such as sks learns better.</numerusform>
            <numerusform>“%1” is %n tokens of this model (%2). A short rare word such as sks learns better.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n photo(s)</source>
        <translation>
            <numerusform>%n photo</numerusform>
            <numerusform>%n photos</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n to check</source>
        <translation>
            <numerusform>%n to check</numerusform>
            <numerusform>%n to check</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n left out</source>
        <translation>
            <numerusform>%n left out</numerusform>
            <numerusform>%n left out</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>likeness::ui::QueueDock</name>
    <message numerus="yes">
        <source>%n running</source>
        <translation>
            <numerusform>%n running</numerusform>
            <numerusform>%n running</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n waiting</source>
        <translation>
            <numerusform>%n waiting</numerusform>
            <numerusform>%n waiting</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>likeness::ui::QueueModel</name>
    <message numerus="yes">
        <source>%n step(s)</source>
        <translation>
            <numerusform>%n step</numerusform>
            <numerusform>%n steps</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s): “%1”</source>
        <translation>
            <numerusform>%n picture: “%1”</numerusform>
            <numerusform>%n pictures: “%1”</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>likeness::ui::TrainPage</name>
    <message numerus="yes">
        <source>Expert: %n option(s)</source>
        <translation>
            <numerusform>Expert: %n option</numerusform>
            <numerusform>Expert: %n options</numerusform>
        </translation>
    </message>
</context>
</TS>
